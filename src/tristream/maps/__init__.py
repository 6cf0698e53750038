"""Brain maps: NIfTI and GIfTI under BIDS-derivative names, figures, tables."""
