"""BOLD of known ground truth, for a real film: built by a road of its own."""
