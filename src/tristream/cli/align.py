"""``tristream align``: features at the times of volumes, the sample index, the lag scan."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_output, add_settings, add_stage, settings

EXAMPLES = """\
  tristream align features --dataset bunny --timeline main \\
      --features results/features/bunny/flow/flow.h5 \\
      --inventory results/stimuli/bunny/inventory.tsv \\
      --bold results/bold/bunny/sub-01/*.h5 --output results/align/bunny/main/flow/flow.h5
  tristream align samples --dataset bunny --subject 01 \\
      --inventory results/stimuli/bunny/inventory.tsv \\
      --splits results/stimuli/bunny/splits.tsv --leakage results/stimuli/bunny/leakage.tsv \\
      --bold results/bold/bunny/sub-01/*.h5 --output results/align/bunny/sub-01_samples.tsv
  tristream align lagscan --aligned results/align/bunny/main/*/*.h5 \\
      --bold results/bold/bunny/sub-01/*.h5 \\
      --samples results/align/bunny/sub-01_samples.tsv \\
      --output results/align/bunny/sub-01_lagscan.h5
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(stages, "align", "bring features and events to the volumes", EXAMPLES)
    actions = stage.add_subparsers(dest="action", metavar="ACTION", required=True)

    features = actions.add_parser("features", help="one layer at the volumes of a timeline")
    add_settings(features, "dataset", "timeline")
    features.add_argument("--features", type=Path, required=True, help="LAYER.h5")
    features.add_argument("--inventory", type=Path, required=True, help="inventory.tsv")
    features.set_defaults(run=_features)

    samples = actions.add_parser("samples", help="a subject's sample index")
    add_settings(samples, "dataset", "subject")
    for name in ("inventory", "splits", "leakage"):
        samples.add_argument(f"--{name}", type=Path, required=True, help=f"{name}.tsv")
    samples.set_defaults(run=_samples)

    lagscan = actions.add_parser("lagscan", help="prediction as a function of the lag")
    lagscan.add_argument("--aligned", type=Path, nargs="+", required=True, help="aligned layers")
    lagscan.add_argument("--samples", type=Path, required=True, help="the subject's samples.tsv")
    lagscan.set_defaults(run=_lagscan)

    for parser in (features, samples, lagscan):
        parser.add_argument("--bold", type=Path, nargs="+", required=True, help="a subject's runs")
        add_output(parser, "file")


def _features(args: argparse.Namespace) -> None:
    from tristream.align.aligned import align_features
    from tristream.config.settings.align import AlignSettings

    chosen = settings(args, AlignSettings)
    align_features(chosen, args.features, args.inventory, args.bold, args.output, args.code)


def _samples(args: argparse.Namespace) -> None:
    from tristream.align.samples import write_samples
    from tristream.config.settings.align import SamplesSettings

    write_samples(
        settings(args, SamplesSettings),
        args.inventory,
        args.splits,
        args.leakage,
        args.bold,
        args.output,
        args.code,
    )


def _lagscan(args: argparse.Namespace) -> None:
    from tristream.align.lagscan import write_lagscan

    write_lagscan(args.aligned, args.bold, args.samples, args.output, args.code)
