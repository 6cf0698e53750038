"""Twins: simulated BOLD under the names, events and shapes of a real dataset."""
