"""Where the installed workflow lies: its Snakefile, rules and dataset descriptors."""

from pathlib import Path

WORKFLOW = Path(__file__).parent / "workflow"
"""A folder of the package; in a clone, a link to the repository's ``workflow/``."""
