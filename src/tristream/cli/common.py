"""Arguments that several stages share."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tristream.errors import UserError

if TYPE_CHECKING:
    from tristream.config.load import Resolved
    from tristream.config.settings.base import Settings

S = TypeVar("S", bound="Settings")


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


TARGETS = {
    "dataset": "dataset id",
    "subject": "subject label, without sub-",
    "model": "name of the model in the study",
    "parts": "`searchlight`, `regions` or `times` of the decoder",
    "decoder": "name of the decoder in the study",
    "identification": "name of the identification in the study",
    "network": "name of the network in `networks:` of the study",
    "rsa": "name of the analysis in `rsa:` of the study",
    "fused": "space of `fusion:` in the study",
    "pair": "name of the comparison in `univariate:` of the study",
    "contrast": "name of the contrast in the study",
    "timeline": "stimulus timeline",
    "space": "feature space, as named in the study",
    "preset": "name of the preset",
    "name": "name of the block in the study",
}


def add_settings(parser: argparse.ArgumentParser, *targets: str) -> None:
    """``--settings`` of the workflow's jobs, or the study and what of it is meant.

    Parameters
    ----------
    parser : ArgumentParser
    *targets : str
        Keyword arguments of the settings' ``of``: ``dataset``, ``model`` …
    """
    parser.add_argument("--settings", type=Path, help="what the workflow lets the job know")
    add_config(parser)
    for name in targets:
        parser.add_argument(f"--{name}", help=f"{TARGETS[name]} (without --settings)")
    parser.set_defaults(targets=targets)


def settings(args: argparse.Namespace, kind: type[S]) -> S:
    """The settings of a job: from ``--settings``, or picked from the study.

    Raises
    ------
    UserError
        If neither the settings nor all targets are named, or the study has no such block.
    """
    if args.settings:
        return kind.read(args.settings)
    check_targets(args)
    targets = {name: getattr(args, name) for name in args.targets}
    return kind.of(study(args), **targets)


def check_targets(args: argparse.Namespace) -> None:
    """Without ``--settings``, all targets must be named.

    Raises
    ------
    UserError
        If one is missing.
    """
    missing = [f"--{name}" for name in args.targets if getattr(args, name) is None]
    if missing:
        raise UserError(f"name {', '.join(missing)} (or --settings, as the workflow's jobs do)")


def add_target(parser: argparse.ArgumentParser, *names: str) -> None:
    """``--dataset``, ``--subject`` … : what of the study is meant."""
    for name in names:
        parser.add_argument(f"--{name}", required=True, help=TARGETS[name])


def add_output(parser: argparse.ArgumentParser, what: str) -> None:
    """``--output``, and ``--code`` for its provenance."""
    parser.add_argument("--output", type=Path, required=True, help=f"{what} to write")
    parser.add_argument("--code", default="", help="fingerprint to store in the file")


def study(args: argparse.Namespace) -> "Resolved":
    """The checked study that `args` name."""
    from tristream.config.load import load

    return load(args.config, args.datasets)
