"""Sound in overlapping pieces, and the filters that several auditory spaces share."""
