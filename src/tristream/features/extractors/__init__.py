"""One module an extractor; each is found by its decorator (see :mod:`..registry`)."""
