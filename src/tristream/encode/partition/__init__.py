"""Unique and shared variance of bands."""
