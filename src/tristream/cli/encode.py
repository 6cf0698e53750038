"""``tristream encode``: fit and test the encoding model of one subject."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_config, add_output, add_stage, add_target, study
from tristream.errors import UserError

EXAMPLES = """\
  tristream encode fit --dataset bunny --model streams --subject 01 \\
      --aligned results/align/bunny/main/*/*.h5 \\
      --bold results/bold/bunny/sub-01/task-*.h5 \\
      --samples results/align/bunny/sub-01_samples.tsv \\
      --output results/encode/bunny/streams/sub-01.h5
  tristream encode compare --encodings results/encode/bunny/*/sub-01.h5 \\
      --output comparison.tsv
  tristream encode weights --encoding results/encode/bunny/streams/sub-01.h5 \\
      --output responses.tsv
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(stages, "encode", "Fit voxelwise encoding models.", EXAMPLES)
    actions = stage.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    help = "Fit the model on the training runs, predict the test runs, score."
    fit = actions.add_parser("fit", help=help, description=help)
    add_config(fit)
    add_target(fit, "dataset", "model", "subject")
    fit.add_argument(
        "--aligned", nargs="+", type=Path, required=True, help="aligned features of its spaces"
    )
    fit.add_argument("--bold", nargs="+", type=Path, required=True, help="run files of the subject")
    fit.add_argument("--samples", type=Path, required=True, help="sample index of the subject")
    add_output(fit, "encoding file")
    fit.set_defaults(run=run_fit)
    help = "Compare models of one subject by cross-validation, ridge by AIC and BIC, too."
    compare = actions.add_parser("compare", help=help, description=help)
    compare.add_argument(
        "--encodings", nargs="+", type=Path, required=True, help="files of `encode fit`"
    )
    add_output(compare, "table to write (.tsv)")
    compare.set_defaults(run=run_compare)
    help = "Haemodynamic responses of a model's bands, from its weights at each delay."
    weights = actions.add_parser("weights", help=help, description=help)
    weights.add_argument("--encoding", type=Path, required=True, help="file of `encode fit`")
    weights.add_argument(
        "--regions", type=Path, help="NIfTI image of labels; by default no regions"
    )
    weights.add_argument(
        "--threshold", type=float, default=0.0, help="voxels of a CV R² above it (default: 0)"
    )
    add_output(weights, "table to write (.tsv)")
    weights.set_defaults(run=run_weights)


def run_fit(args: argparse.Namespace) -> None:
    """Fit one model of one subject."""
    from tristream.encode.fit import fit_subject

    resolved = study(args)
    models = resolved.study.models
    if args.model not in models:
        raise UserError(f"{args.config}: models: no {args.model!r} among {', '.join(models)}")
    fit_subject(
        args.model,
        args.dataset,
        args.subject,
        models[args.model],
        args.aligned,
        args.bold,
        args.samples,
        args.output,
        resolved.study.device,
        args.code,
    )


def run_compare(args: argparse.Namespace) -> None:
    """Compare models of one subject."""
    from tristream.encode.criteria_table import compare_models

    compare_models(args.encodings, args.output, args.code)


def run_weights(args: argparse.Namespace) -> None:
    """Write the responses of a model's bands."""
    from tristream.encode.band_responses import write_responses

    write_responses(args.encoding, args.output, args.regions, args.threshold, args.code)
