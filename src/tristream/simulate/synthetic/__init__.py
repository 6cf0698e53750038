"""Synthetic datasets: simulated BOLD with the names, events and shapes of a real dataset."""
