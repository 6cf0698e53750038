"""The sections of the pages: each module turns files into blocks."""
