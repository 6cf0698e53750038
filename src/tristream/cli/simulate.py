"""``tristream simulate``: write a BIDS dataset whose ground truth is known."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_settings, add_stage, settings

EXAMPLES = """\
  tristream simulate dataset --dataset bunny \\
      --receipt results/fetch/bunny/stimuli/receipt.json \\
      --features results/features/bunny/*/*.h5 \\
      --atlas results/fetch/atlas/bunny/receipt.json \\
      --output results/simulate/bunny/dataset \\
      --commit results/simulate/bunny/commit.txt \\
      --truth results/simulate/bunny/truth.h5
  tristream simulate like --dataset ds003720 --output synthetic/ds003720 \\
      --subjects 001 --runs 'task-Training_run-0[1-3]' task-Test_run-01 --scale 3
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(stages, "simulate", "simulate BOLD for a real film", EXAMPLES)
    actions = stage.add_subparsers(dest="action", metavar="ACTION", required=True)

    dataset = actions.add_parser("dataset", help="write a simulated BIDS dataset")
    add_settings(dataset, "dataset")
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

    _add_like(actions)


def _add_like(actions: Any) -> None:
    like = actions.add_parser(
        "like",
        help="write a synthetic dataset: events and names of a real one, simulated images",
        description="Write a synthetic dataset, and print the lines of config.yaml for it.",
    )
    like.add_argument("--dataset", required=True, help="dataset id, as in workflow/datasets")
    like.add_argument("--datasets", help="folder of descriptors (default: workflow/datasets)")
    like.add_argument("--output", type=Path, required=True, help="folder to write, a new one")
    like.add_argument("--subjects", nargs="+", default=[], help="labels (default: all)")
    like.add_argument("--runs", nargs="+", default=[], help="runs or patterns (default: all)")
    like.add_argument("--scale", type=float, default=1.0, help="factor on the edges of voxels")
    like.add_argument(
        "--ceiling",
        type=float,
        default=0.5,
        help="effect size: correlation of signal and one run's data in voxels with a signal; 0: "
        "noise alone (default: 0.5)",
    )
    like.add_argument("--seed", type=int, default=0, help="fixes everything that is random")
    like.add_argument(
        "--features",
        type=Path,
        nargs="+",
        default=[],
        help="feature files of layers that the brain follows, from its lowest part to its highest, "
        "in place of light or loudness; of stimuli that the same call wrote without them",
    )
    like.add_argument(
        "--from",
        dest="given",
        type=Path,
        help="a clone, git bundle or folder of the real dataset (default: its own address)",
    )
    like.add_argument("--film", type=Path, help="film that stand-in media are cut from")
    like.add_argument(
        "--data",
        type=Path,
        default=Path("data"),
        help="the study's folder of downloads, for the mesh of fsLR (default: data)",
    )
    like.add_argument("--code", default="", help="fingerprint to store in the truth")
    like.set_defaults(run=_like)


def _like(args: argparse.Namespace) -> None:
    from tristream.config.load import DESCRIPTORS, descriptor
    from tristream.simulate.synthetic.write_dataset import Wish, write_synthetic

    dataset = descriptor(args.dataset, [Path(args.datasets or DESCRIPTORS)], Path("--dataset"))
    wish = Wish(
        tuple(args.subjects),
        tuple(args.runs),
        args.scale,
        args.ceiling,
        args.seed,
        args.data,
        tuple(args.features),
    )
    print(write_synthetic(dataset, wish, args.output, args.given, args.film, args.code), end="")


def _dataset(args: argparse.Namespace) -> None:
    from tristream.config.settings.simulate import SimulateSettings
    from tristream.simulate.dataset import Inputs, Outputs, simulate

    simulate(
        settings(args, SimulateSettings),
        Inputs(args.receipt, tuple(args.features), args.atlas),
        Outputs(args.output, args.commit, args.truth),
        code=args.code,
    )
