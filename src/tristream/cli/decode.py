"""``tristream decode``: which label was shown, from the brain."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_output, add_settings, add_stage, add_target, settings

EXAMPLES = """\
  tristream decode fit --dataset haxby2001_slice --decoder ridge_volumes --subject 1 \\
      --bold results/bold/haxby2001_slice/sub-1/run-*.h5 \\
      --samples results/align/haxby2001_slice/sub-1_samples.tsv \\
      --output results/decode/haxby2001_slice/ridge_volumes/sub-1.h5
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    parser = add_stage(stages, "decode", "Decode the labels of an experiment.", EXAMPLES)
    actions = parser.add_subparsers(dest="action", required=True)
    fitted = actions.add_parser("fit", help="fit one decoder to one subject, with its null")
    add_settings(fitted, "dataset", "decoder")
    add_target(fitted, "subject")
    fitted.add_argument("--bold", required=True, nargs="+", type=Path, help="the run files")
    fitted.add_argument("--samples", required=True, type=Path, help="the sample index")
    add_output(fitted, "HDF5 file")
    fitted.set_defaults(run=fit)


def fit(args: argparse.Namespace) -> None:
    """Fit, permute, write; print the accuracy."""
    from tristream.config.settings.decode import DecodeSettings
    from tristream.decode.decoding import fit as fit_decoder

    decoder = settings(args, DecodeSettings)
    found = fit_decoder(args.bold, args.samples, args.output, decoder, args.subject, args.code)
    p = f"no p value ({found.refusal})" if found.refusal else f"p = {found.p:.4f}"
    print(f"{decoder.decoder}: accuracy {found.accuracy:.3f}, {p}")
