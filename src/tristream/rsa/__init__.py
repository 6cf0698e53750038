"""Representational similarity: which items are alike in a layer, and which in a region."""
