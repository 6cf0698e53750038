"""Power analysis before scanning: simulated BOLD of a design, through the study's own analyses."""
