"""``tristream bids``: the command line of a BIDS App, a door to the same workflow."""

import argparse
import os
from pathlib import Path
from typing import Any

from tristream.cli.common import add_stage
from tristream.errors import UserError

EXAMPLES = """\
  tristream bids /data/films /data/films-tristream participant
  tristream bids /data/films /data/films-tristream participant --participant-label 01 02
  tristream bids /data/films /data/films-tristream group

The first call describes the dataset and writes a study into the output folder; what only you can
know about the dataset it asks, and runs nothing: answer in the files that it names, and call again.
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    parser = add_stage(stages, "bids", "Run as a BIDS App: BIDS_DIR OUT LEVEL.", EXAMPLES)
    parser.add_argument("dataset", metavar="BIDS_DIR", help="the BIDS dataset, a folder")
    parser.add_argument(
        "out", metavar="OUT", type=Path, help="folder for the study and its results"
    )
    parser.add_argument(
        "level",
        choices=("participant", "group"),
        help="results of subjects alone, or all: those of the group and the report, too",
    )
    parser.add_argument(
        "--participant-label",
        "--participant_label",
        nargs="+",
        default=[],
        metavar="LABEL",
        help="subjects, without sub- (default: all)",
    )
    parser.add_argument("--derivatives", help="folder of fMRIPrep's outputs, if not in the dataset")
    parser.add_argument(
        "--cores", "--n-cpus", "--n_cpus", default="all", help="number of cores, or all (default)"
    )
    parser.add_argument(
        "--snakemake",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="…",
        help="all that follows are arguments for snakemake (--dry-run, --profile slurm)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Set the study up, run the part of it that is asked for, describe the outputs."""
    from tristream.cli.run import run_study
    from tristream.describe.bids_app import describe_outputs, participants, set_up
    from tristream.features.core.checked_space import check
    from tristream.report.declared import declared
    from tristream.results import Layout

    if args.level == "group" and args.participant_label:
        raise UserError(
            "--participant-label: the group is that of all subjects of the study; leave some out "
            f"by `subjects:` in {args.out / 'config.yaml'}"
        )
    resolved = set_up(args.dataset, args.out, args.derivatives)
    labels = participants(resolved, args.participant_label)
    os.chdir(args.out)
    targets: list[str] = []
    if args.level == "participant":
        spaces = {
            name: check(name, block, data=resolved.study.data)
            for name, block in resolved.study.features.items()
        }
        layout = Layout(resolved.study.results)
        files = [one for one in declared(resolved, spaces) if one.get("subject") in labels]
        targets = [one.path(layout).as_posix() for one in files]
    status = run_study("config.yaml", args.cores, args.snakemake, targets)
    if status == 0:
        describe_outputs(Path(), resolved)
    return status
