"""``tristream rsa``: which items are alike in a layer, and which in a region."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_output, add_settings, add_stage, settings

EXAMPLES = """\
  tristream rsa measure --dataset ds001246 --rsa images \\
      --bold results/bold/ds001246/sub-01/*.h5 \\
      --samples results/align/ds001246/sub-01_samples.tsv \\
      --features results/features/ds001246/efficientnet/head.h5 \\
      --aligned results/align/ds001246/all/efficientnet/head.h5 \\
      --output results/rsa/ds001246/images/sub-01.h5
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    parser = add_stage(stages, "rsa", "Compare distances of patterns and features.", EXAMPLES)
    actions = parser.add_subparsers(dest="action", required=True)
    one = actions.add_parser("measure", help="distances between the items that a subject met")
    add_settings(one, "dataset", "rsa")
    one.add_argument("--bold", required=True, nargs="+", type=Path, help="the run files")
    one.add_argument("--samples", required=True, type=Path, help="the sample index")
    for name in ("features", "aligned"):
        one.add_argument(
            f"--{name}", required=True, nargs="+", type=Path, help=f"{name} file of each layer"
        )
    add_output(one, "HDF5 file")
    one.set_defaults(run=measure)
    every = actions.add_parser("compare", help="layers with regions, of all subjects")
    add_settings(every, "dataset", "rsa")
    every.add_argument(
        "--dissimilarities", required=True, nargs="+", type=Path, help="files of `measure`"
    )
    every.add_argument("--subjects", required=True, nargs="+", help="their subjects")
    add_output(every, "table")
    every.set_defaults(run=compare)


def measure(args: argparse.Namespace) -> None:
    """Measure, write; print how many items there are."""
    from tristream.config.settings.rsa import DissimilaritySettings
    from tristream.rsa.item_patterns import fit

    given = settings(args, DissimilaritySettings)
    files = (args.bold, args.samples, args.features, args.aligned, args.output)
    found = fit(*files, given, args.code)
    print(f"{given.rsa}: {len(found.items)} items, {len(found.layers)} layers")


def compare(args: argparse.Namespace) -> None:
    """Compare, write; print the agreement of each layer and region."""
    from tristream.config.settings.rsa import RsaSettings
    from tristream.rsa.similarity_fit import fit

    given = settings(args, RsaSettings)
    rows = fit(args.dissimilarities, args.subjects, args.output, given, args.code)
    for row in rows.itertuples():
        where = f"{row.subject}, {row.space}/{row.layer}, {row.region}"
        print(f"{where}: {row.similarity:.3f} (corrected p {row.p_corrected:.4f})")
