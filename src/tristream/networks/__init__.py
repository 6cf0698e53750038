"""Networks trained on brain and label together, from a study's files to scores and pictures."""
