"""What was shown when, what is held out, and what of the test set the training set gives away."""
