"""Encoding and decoding of films and music in the brain, as one Snakemake workflow."""

__version__ = "0.1.0"
