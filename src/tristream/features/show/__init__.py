"""See what went into a feature space, and what came out."""
