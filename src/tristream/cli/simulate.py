"""``tristream simulate``: write a BIDS dataset whose ground truth is known."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_config, add_stage, study

EXAMPLES = """\
  tristream simulate dataset --dataset bunny --preset bunny \\
      --receipt results/fetch/bunny/stimuli/receipt.json \\
      --features results/features/bunny/*/*.h5 \\
      --atlas results/fetch/atlas/bunny/receipt.json \\
      --output results/simulate/bunny/dataset \\
      --commit results/simulate/bunny/commit.txt \\
      --truth results/simulate/bunny/truth.h5
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(stages, "simulate", "simulate BOLD for a real film", EXAMPLES)
    actions = stage.add_subparsers(dest="action", metavar="ACTION", required=True)

    dataset = actions.add_parser("dataset", help="write a simulated BIDS dataset")
    add_config(dataset)
    dataset.add_argument("--dataset", required=True, help="dataset id")
    dataset.add_argument("--preset", required=True, help="name of a preset, or a .yaml file")
    dataset.add_argument("--receipt", type=Path, required=True, help="receipt of the stimuli")
    dataset.add_argument(
        "--features", type=Path, nargs="+", required=True, help="feature files of the preset"
    )
    dataset.add_argument("--atlas", type=Path, required=True, help="receipt of the atlas")
    dataset.add_argument("--output", type=Path, required=True, help="folder of the dataset")
    dataset.add_argument("--commit", type=Path, required=True, help="commit.txt to write")
    dataset.add_argument("--truth", type=Path, required=True, help="truth.h5 to write")
    dataset.add_argument("--code", default="", help="fingerprint to store in the files")
    dataset.set_defaults(run=_dataset)


def _dataset(args: argparse.Namespace) -> None:
    from tristream.simulate.dataset import Inputs, Outputs, simulate
    from tristream.simulate.preset import load_preset

    simulate(
        study(args).datasets[args.dataset],
        load_preset(args.preset),
        Inputs(args.receipt, tuple(args.features), args.atlas),
        Outputs(args.output, args.commit, args.truth),
        code=args.code,
    )
