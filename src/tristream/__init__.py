"""Encoding and decoding of films and music in the brain, as one Snakemake workflow."""

from importlib.metadata import version

__version__ = version("tristream")
