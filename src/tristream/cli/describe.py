"""``tristream describe``: the descriptor of a dataset, from its headers and texts."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_stage

EXAMPLES = """\
  tristream describe ds003720
  tristream describe /data/my_bids_folder --derivatives /data/fmriprep
  tristream describe https://github.com/OpenNeuroDatasets/ds000105.git --commit 3.0.0
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(stages, "describe", "Write the descriptor of a BIDS dataset.", EXAMPLES)
    stage.add_argument(
        "dataset", help="a BIDS folder, a DataLad dataset's address, or an OpenNeuro accession"
    )
    stage.add_argument("--derivatives", help="folder or DataLad dataset of fMRIPrep's outputs")
    stage.add_argument("--commit", help="commit or tag of a DataLad dataset (default: newest tag)")
    stage.add_argument("--id", help="name of the descriptor (default: that of the dataset)")
    stage.add_argument(
        "--data", type=Path, default=Path("data"), help="where clones go (default: data)"
    )
    stage.add_argument(
        "--output", type=Path, default=Path(), help="folder of the descriptor (default: here)"
    )
    stage.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Look at the dataset, write the descriptor, print its questions."""
    from tristream.describe.descriptor_file import describe

    written = describe(
        args.dataset,
        args.output,
        data=args.data,
        derivatives=args.derivatives,
        commit=args.commit,
        name=args.id,
    )
    print(written.summary)
    if written.questions:
        print("Questions, each a comment in the file:")
        print("\n".join(f"  {line}" for line in written.questions))
    print(f"Next: tristream init my_study --dataset {written.path}")
