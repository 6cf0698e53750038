"""Arguments that several stages share."""

import argparse
from typing import Any

from tristream.config.load import Resolved, load


def add_stage(stages: Any, name: str, help: str, examples: str) -> argparse.ArgumentParser:
    """Add a stage whose ``--help`` ends with `examples`."""
    return stages.add_parser(
        name,
        help=help,
        description=help,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """``--config`` and ``--datasets``: the study and the folder of dataset descriptors."""
    parser.add_argument("--config", default="config.yaml", help="the study (default: config.yaml)")
    parser.add_argument(
        "--datasets", help="folder of dataset descriptors (default: workflow/datasets)"
    )


def study(args: argparse.Namespace) -> Resolved:
    """The checked study that `args` name."""
    return load(args.config, args.datasets)
