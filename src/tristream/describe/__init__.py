"""From a dataset that nobody has described yet to its descriptor and a study folder."""
