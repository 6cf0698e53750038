"""``python -m tristream``: the command line as a process of its own."""

import gc
import sys

from tristream.cli import main

COLLECT_AFTER = 10_000
"""New objects, of which imports make hundreds of thousands that stay. Short jobs would spend a
quarter of their time on the search for those that can go."""


def run() -> int:
    """:func:`tristream.cli.main`, with as little of Python's own housekeeping as is of use."""
    gc.set_threshold(COLLECT_AFTER)
    try:
        return main()
    finally:
        # What is left goes with the process.
        gc.freeze()


if __name__ == "__main__":
    sys.exit(run())
