"""The report: offline pages of figures, tables and sentences, made from the files on disk."""
