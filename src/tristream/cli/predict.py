"""``tristream predict``: a fitted model and a new stimulus give predicted BOLD."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_output, add_stage

EXAMPLES = """\
  tristream predict --encoding results/encode/bunny/streams/sub-01.h5 \\
      --features trailer/*/*.h5 --output predicted.h5
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    parser = add_stage(
        stages, "predict", "Predict the BOLD of a new film or sound from a fitted model.", EXAMPLES
    )
    parser.add_argument("--encoding", type=Path, required=True, help="file of `encode fit`")
    parser.add_argument(
        "--features",
        nargs="+",
        type=Path,
        required=True,
        help="feature files of the new stimulus, one a layer of the model",
    )
    parser.add_argument("--stimulus", help="which stimulus, if the feature files hold several")
    add_output(parser, "prediction file")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Predict one stimulus."""
    from tristream.encode.predict import predict_stimulus

    predict_stimulus(args.encoding, args.features, args.output, args.stimulus, args.code)
