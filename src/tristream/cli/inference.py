"""``tristream inference``: tests of fitted models, their comparison, tables, the group level."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_config, add_stage, add_target, dataset_of, study
from tristream.config.models import EncodingModel
from tristream.errors import UserError

EXAMPLES = """\
  tristream inference encoding --dataset bunny --model streams --subject 01 \\
      --encoding results/encode/bunny/streams/sub-01.h5 \\
      --output results/inference/bunny/streams/sub-01.h5
  tristream inference compare --dataset bunny \\
      --first results/encode/bunny/streams/sub-01.h5 \\
      --second results/encode/bunny/shifted/sub-01.h5 \\
      --output results/inference/bunny/comparisons/streams/shifted/sub-01.h5
  tristream inference recovery --dataset bunny --truth results/simulate/bunny/truth.h5 \\
      --encodings results/encode/bunny/*/sub-*.h5 --output results/inference/bunny/recovery.tsv
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    help = "Test and compare fitted models; what a paper reports of them."
    stage = add_stage(stages, "inference", help, EXAMPLES)
    actions = stage.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)

    def action(name: str, run: Any, help: str, dataset: bool = True) -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=help, description=help)
        add_config(parser)
        if dataset:
            add_target(parser, "dataset")
        parser.add_argument("--code", default="", help="fingerprint to store in the file")
        parser.set_defaults(run=run)
        return parser

    _register_tests(action)
    _register_tables(action)
    recovery = action(
        "recovery", run_recovery, "Simulated data: compare fitted models with the ground truth."
    )
    recovery.add_argument("--truth", type=Path, required=True, help="truth of the simulation")
    recovery.add_argument(
        "--encodings", nargs="+", type=Path, required=True, help="all models of all subjects"
    )
    recovery.add_argument("--output", type=Path, required=True, help="table to write (.tsv)")


def _register_tests(action: Any) -> None:
    encoding = action("encoding", run_encoding, "Permutation test of one encoding model.")
    _model_and_subject(encoding)
    encoding.add_argument("--encoding", type=Path, required=True, help="file of `encode fit`")
    encoding.add_argument("--output", type=Path, required=True, help="inference file to write")
    compare = action("compare", run_compare, "Paired test of two models of one subject.")
    compare.add_argument("--first", type=Path, required=True, help="file of `encode fit`")
    compare.add_argument("--second", type=Path, required=True, help="file of `encode fit`")
    compare.add_argument("--regions", type=Path, help="file of `inference regions`")
    compare.add_argument("--output", type=Path, required=True, help="comparison file to write")
    group = action("group", run_group, "Counts, prevalence and, from 8 subjects on, a group test.")
    group.add_argument(
        "--encodings", nargs="+", type=Path, required=True, help="one model, all subjects"
    )
    group.add_argument(
        "--inferences", nargs="+", type=Path, required=True, help="of the same, in their order"
    )
    group.add_argument("--output", type=Path, required=True, help="group file to write")


def _register_tables(action: Any) -> None:
    atlas = action("atlas", run_atlas, "Fetch the Harvard-Oxford atlas.", dataset=False)
    atlas.add_argument("--output", type=Path, required=True, help="receipt to write")
    regions = action("regions", run_regions, "Label the atlas's voxels.", dataset=False)
    regions.add_argument("--receipt", type=Path, required=True, help="receipt of the atlas")
    regions.add_argument("--output", type=Path, required=True, help="regions file to write")
    tables = action("tables", run_tables, "Tables by region and by cluster, with coordinates.")
    _model_and_subject(tables)
    tables.add_argument("--encoding", type=Path, required=True, help="file of `encode fit`")
    tables.add_argument(
        "--inference", type=Path, required=True, help="file of `inference encoding`"
    )
    tables.add_argument("--regions", type=Path, help="file of `inference regions`")
    tables.add_argument("--by-region", type=Path, required=True, help="table to write (.tsv)")
    tables.add_argument("--by-cluster", type=Path, required=True, help="table to write (.tsv)")


def _model_and_subject(parser: argparse.ArgumentParser) -> None:
    add_target(parser, "model", "subject")


def _model(args: argparse.Namespace) -> EncodingModel:
    models = study(args).study.models
    if args.model not in models:
        raise UserError(f"{args.config}: models: no {args.model!r} among {', '.join(models)}")
    return models[args.model]


def run_encoding(args: argparse.Namespace) -> None:
    """Permutation test of one model of one subject."""
    from tristream.inference.encoding import infer_encoding

    settings, unit = study(args).study.inference, dataset_of(args).exchange.unit
    infer_encoding(args.encoding, settings, unit, args.output, args.code)


def run_compare(args: argparse.Namespace) -> None:
    """Paired test of two models of one subject."""
    from tristream.inference.comparison import compare_encodings

    settings, unit = study(args).study.inference, dataset_of(args).exchange.unit
    compare_encodings(args.first, args.second, settings, unit, args.regions, args.output, args.code)


def run_group(args: argparse.Namespace) -> None:
    """All subjects of one model."""
    from tristream.inference.group import infer_group

    settings = study(args).study.inference
    infer_group(args.encodings, args.inferences, settings, args.output, args.code)


def run_atlas(args: argparse.Namespace) -> None:
    """Fetch the atlas."""
    from tristream.fetch.steps import fetch_members
    from tristream.space.atlas import HARVARD_OXFORD

    data = Path(study(args).study.data)
    fetch_members("harvard_oxford", HARVARD_OXFORD, data, args.code).write(args.output)


def run_regions(args: argparse.Namespace) -> None:
    """Label the atlas's voxels."""
    from tristream.space.atlas import write_regions

    write_regions(args.receipt, args.output, args.code)


def run_tables(args: argparse.Namespace) -> None:
    """Tables of one model of one subject."""
    from tristream.inference.tables import write_tables

    _model(args)
    write_tables(
        args.encoding, args.inference, args.regions, args.by_region, args.by_cluster, args.code
    )


def run_recovery(args: argparse.Namespace) -> None:
    """Recovery of the simulated truth."""
    from tristream.inference.recovery import check_recovery

    check_recovery(args.truth, args.encodings, study(args).study.inference, args.output, args.code)
