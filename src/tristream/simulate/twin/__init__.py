"""Twins: datasets like a real one, with simulated BOLD of known ground truth."""
