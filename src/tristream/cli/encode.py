"""``tristream encode``: fit and test the encoding model of one subject."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_output, add_settings, add_stage, add_target, settings

EXAMPLES = """\
  tristream encode fit --dataset bunny --model streams --subject 01 \\
      --aligned results/align/bunny/main/*/*.h5 \\
      --bold results/bold/bunny/sub-01/task-*.h5 \\
      --samples results/align/bunny/sub-01_samples.tsv \\
      --output results/encode/bunny/streams/sub-01.h5
  tristream encode partition --dataset bunny --model streams \\
      --encoding results/encode/bunny/streams/sub-01.h5 \\
      --aligned results/align/bunny/main/*/*.h5 \\
      --bold results/bold/bunny/sub-01/task-*.h5 \\
      --samples results/align/bunny/sub-01_samples.tsv \\
      --output results/partition/bunny/streams/sub-01.h5
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
    add_settings(fit, "dataset", "model")
    add_target(fit, "subject")
    _add_inputs(fit)
    add_output(fit, "encoding file")
    fit.set_defaults(run=run_fit)
    help = "Unique and shared variance of a model's bands, by nested models."
    partition = actions.add_parser("partition", help=help, description=help)
    add_settings(partition, "dataset", "model")
    partition.add_argument("--encoding", type=Path, required=True, help="file of `encode fit`")
    _add_inputs(partition)
    add_output(partition, "partition file")
    partition.set_defaults(run=run_partition)
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


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--aligned", nargs="+", type=Path, required=True, help="aligned features of its spaces"
    )
    parser.add_argument("--bold", nargs="+", type=Path, required=True, help="the subject's runs")
    parser.add_argument("--samples", type=Path, required=True, help="the subject's sample index")


def run_fit(args: argparse.Namespace) -> None:
    """Fit one model of one subject."""
    from tristream.config.settings.encode import EncodeSettings
    from tristream.encode.fit import fit_subject

    chosen = settings(args, EncodeSettings)
    files = (args.aligned, args.bold, args.samples)
    fit_subject(chosen, args.subject, *files, args.output, args.code)


def run_partition(args: argparse.Namespace) -> None:
    """Unique and shared variance of one model of one subject."""
    from tristream.config.settings.partition import PartitionSettings
    from tristream.encode.partition.nested_models import partition_subject

    chosen = settings(args, PartitionSettings)
    files = (args.aligned, args.bold, args.samples)
    partition_subject(chosen, args.encoding, *files, args.output, args.code)


def run_compare(args: argparse.Namespace) -> None:
    """Compare models of one subject."""
    from tristream.encode.selection_table import compare_models

    compare_models(args.encodings, args.output, args.code)


def run_weights(args: argparse.Namespace) -> None:
    """Write the responses of a model's bands."""
    from tristream.encode.band_responses import write_responses

    write_responses(args.encoding, args.output, args.regions, args.threshold, args.code)
