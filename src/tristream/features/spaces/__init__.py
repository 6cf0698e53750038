"""One file or folder a feature space."""
