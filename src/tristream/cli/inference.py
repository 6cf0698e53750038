"""``tristream inference``: p values from stored predictions; what was recovered of the truth."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_config, add_stage, dataset_of, study

EXAMPLES = """\
  tristream inference encoding --dataset bunny --model streams --subject 01 \\
      --encoding results/encode/bunny/streams/sub-01.h5 \\
      --output results/inference/bunny/streams/sub-01.h5
  tristream inference recovery --dataset bunny --truth results/simulate/bunny/truth.h5 \\
      --encodings results/encode/bunny/*/sub-*.h5 --output results/inference/bunny/recovery.tsv
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(stages, "inference", "Test fitted models; nothing is refitted.", EXAMPLES)
    actions = stage.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)

    def action(name: str, run: Any, help: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=help, description=help)
        add_config(parser)
        parser.add_argument("--dataset", required=True, help="name of the dataset in the study")
        parser.add_argument("--code", default="", help="fingerprint to store in the file")
        parser.set_defaults(run=run)
        return parser

    encoding = action("encoding", run_encoding, "Permutation test of one encoding model.")
    encoding.add_argument("--model", required=True, help="name of the model in the study")
    encoding.add_argument("--subject", required=True, help="label without sub-")
    encoding.add_argument("--encoding", type=Path, required=True, help="file of `encode fit`")
    encoding.add_argument("--output", type=Path, required=True, help="inference file to write")
    recovery = action(
        "recovery", run_recovery, "Simulated data: compare fitted models with the ground truth."
    )
    recovery.add_argument("--truth", type=Path, required=True, help="truth of the simulation")
    recovery.add_argument(
        "--encodings", nargs="+", type=Path, required=True, help="all models of all subjects"
    )
    recovery.add_argument("--output", type=Path, required=True, help="table to write (.tsv)")


def run_encoding(args: argparse.Namespace) -> None:
    """Permutation test of one model of one subject."""
    from tristream.inference.encoding import infer_encoding

    settings, unit = study(args).study.inference, dataset_of(args).exchange.unit
    infer_encoding(args.encoding, settings, unit, args.output, args.code)


def run_recovery(args: argparse.Namespace) -> None:
    """Recovery of the simulated truth."""
    from tristream.inference.recovery import check_recovery

    check_recovery(args.truth, args.encodings, study(args).study.inference, args.output, args.code)
