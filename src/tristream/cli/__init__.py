"""``python -m tristream STAGE``: what the workflow's rules call, and what a user can call too.

Each stage has a module here with ``register(subparsers)``; nothing heavy is imported before a
stage runs, so ``--help`` answers at once.
"""

import argparse
import sys
from importlib import import_module

from tristream import __version__
from tristream.errors import UserError

STAGES = (
    "plan",
    "run",
    "config",
    "simulate",
    "fetch",
    "weights",
    "stimuli",
    "features",
    "bold",
    "align",
    "encode",
    "predict",
    "decode",
    "contrast",
    "inference",
    "power",
    "maps",
    "report",
)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="tristream", description=__doc__.split("\n")[0])
    top.add_argument("--version", action="version", version=__version__)
    stages = top.add_subparsers(title="stages", dest="stage", metavar="STAGE", required=True)
    for stage in STAGES:
        import_module(f"tristream.cli.{stage}").register(stages)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command; a mistake of the user's is one line and status 2."""
    try:
        args = parser().parse_args(argv)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("tristream"):
            raise
        print(
            f"tristream: error: {error}: the command line needs the extra `workflow`; run "
            "`pip install 'tristream[workflow]'`",
            file=sys.stderr,
        )
        return 2
    try:
        return args.run(args) or 0
    except UserError as error:
        print(f"tristream: error: {error}", file=sys.stderr)
        return 2
