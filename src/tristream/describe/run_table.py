"""The table of the runs that exist, a row a subject, which a descriptor's `runs` can name."""

from tristream.describe.run_list import RunList, compact


def run_table(runs: RunList) -> str:
    """Text of the table: columns ``subject`` and ``runs``, patterns parted by blanks."""
    rows = ["subject\truns"]
    rows += [f"{subject}\t{' '.join(compact(own))}" for subject, own in runs.of.items()]
    return "\n".join(rows) + "\n"
