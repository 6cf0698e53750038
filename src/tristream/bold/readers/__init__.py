"""One reader a layout: what the files are, how a run is prepared."""
