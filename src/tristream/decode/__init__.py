"""What was seen or heard, from the brain."""
