"""BOLD of known ground truth, made by code that shares nothing with what analyses it."""
