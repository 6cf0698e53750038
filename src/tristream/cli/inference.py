"""``tristream inference``: tests of fitted models, their comparison, tables, the group level."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_output, add_settings, add_stage, settings

EXAMPLES = """\
  tristream inference encoding --dataset bunny \\
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

    def action(name: str, run: Any, help: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=help, description=help)
        parser.set_defaults(run=run)
        return parser

    _register_tests(action)
    _register_groups(action)
    _register_tables(action)
    recovery = action(
        "recovery", run_recovery, "Simulated data: compare fitted models with the ground truth."
    )
    add_settings(recovery, "dataset")
    recovery.add_argument("--truth", type=Path, required=True, help="truth of the simulation")
    recovery.add_argument(
        "--encodings", nargs="+", type=Path, required=True, help="all models of all subjects"
    )
    add_output(recovery, "table (.tsv)")


def _register_tests(action: Any) -> None:
    encoding = action("encoding", run_encoding, "Permutation test of one encoding model.")
    add_settings(encoding, "dataset")
    encoding.add_argument("--encoding", type=Path, required=True, help="file of `encode fit`")
    encoding.add_argument("--meshes", type=Path, help="receipt of the meshes of fsLR")
    add_output(encoding, "inference file")
    found = action("identify", run_identify, "Identify items through an encoding model.")
    add_settings(found, "dataset", "identification")
    found.add_argument("--encoding", type=Path, required=True, help="file of `encode fit`")
    found.add_argument("--bold", type=Path, required=True, help="a run file of the subject")
    found.add_argument("--samples", type=Path, required=True, help="the sample index")
    add_output(found, "table")
    found.add_argument("--sets", required=True, type=Path, help="table of candidate sets to write")
    compare = action("compare", run_compare, "Paired test of two models of one subject.")
    add_settings(compare, "dataset")
    compare.add_argument("--first", type=Path, required=True, help="file of `encode fit`")
    compare.add_argument("--second", type=Path, required=True, help="file of `encode fit`")
    compare.add_argument("--regions", type=Path, help="file of `inference regions`")
    add_output(compare, "comparison file")
    partition = action("partition", run_partition, "Test of unique and shared variance.")
    add_settings(partition)
    partition.add_argument("--partition", type=Path, required=True, help="of `encode partition`")
    partition.add_argument("--encoding", type=Path, required=True, help="file of `encode fit`")
    partition.add_argument("--regions", type=Path, help="file of `inference regions`")
    add_output(partition, "partition-test file")
    group = action("group", run_group, "All subjects: for other stimuli, and for other people.")
    add_settings(group, "dataset")
    group.add_argument(
        "--encodings", nargs="+", type=Path, required=True, help="one model, all subjects"
    )
    group.add_argument(
        "--inferences", nargs="+", type=Path, required=True, help="of the same, in their order"
    )
    group.add_argument(
        "--samples", nargs="+", type=Path, required=True, help="of the same, in their order"
    )
    group.add_argument("--regions", type=Path, help="file of `inference regions`")
    add_output(group, "group file")

    others = action("intersubject", run_intersubject, "Each subject's BOLD by that of the others.")
    add_settings(others, "dataset")
    others.add_argument(
        "--encodings", nargs="+", type=Path, required=True, help="one model, all subjects"
    )
    others.add_argument(
        "--samples", nargs="+", type=Path, required=True, help="of the same, in their order"
    )
    add_output(others, "intersubject file")


def _register_groups(action: Any) -> None:
    contrasts = action("group-contrast", run_group_contrast, "All subjects of one contrast.")
    add_settings(contrasts, "dataset")
    contrasts.add_argument(
        "--contrasts", nargs="+", type=Path, required=True, help="a subject each"
    )
    contrasts.add_argument("--regions", type=Path, help="file of `inference regions`")
    add_output(contrasts, "group file")
    compared = action("group-comparison", run_group_comparison, "All subjects of one comparison.")
    add_settings(compared, "dataset")
    for name in ("firsts", "seconds", "comparisons", "samples"):
        compared.add_argument(f"--{name}", nargs="+", type=Path, required=True, help="by subject")
    compared.add_argument("--regions", type=Path, help="file of `inference regions`")
    add_output(compared, "group file")
    partitions = action("group-partition", run_group_partition, "All subjects of unique variance.")
    add_settings(partitions, "dataset")
    for name in ("partitions", "tests", "encodings"):
        partitions.add_argument(f"--{name}", nargs="+", type=Path, required=True, help="by subject")
    partitions.add_argument("--band", required=True, help="whose unique variance")
    partitions.add_argument("--regions", type=Path, help="file of `inference regions`")
    add_output(partitions, "group file")
    decoders = action("group-decoder", run_group_decoder, "All subjects of one decoder.")
    add_settings(decoders, "dataset")
    decoders.add_argument("--decodings", nargs="+", type=Path, required=True, help="a subject each")
    add_output(decoders, "group file")


def _register_tables(action: Any) -> None:
    atlas = action("atlas", run_atlas, "Fetch the Harvard-Oxford atlas.")
    add_settings(atlas)
    add_output(atlas, "receipt")
    regions = action("regions", run_regions, "Label the atlas's voxels.")
    regions.add_argument("--receipt", type=Path, required=True, help="receipt of the atlas")
    add_output(regions, "regions file")
    tables = action("tables", run_tables, "Tables by region and by cluster, with coordinates.")
    tables.add_argument("--encoding", type=Path, required=True, help="file of `encode fit`")
    tables.add_argument(
        "--inference", type=Path, required=True, help="file of `inference encoding`"
    )
    tables.add_argument("--regions", type=Path, help="file of `inference regions`")
    tables.add_argument("--by-region", type=Path, required=True, help="table to write (.tsv)")
    tables.add_argument("--by-cluster", type=Path, required=True, help="table to write (.tsv)")
    tables.add_argument("--code", default="", help="fingerprint to store in the files")


def run_encoding(args: argparse.Namespace) -> None:
    """Permutation test of one model of one subject."""
    from tristream.config.settings.inference import InferenceSettings
    from tristream.inference.encoding import infer_encoding

    given = settings(args, InferenceSettings)
    infer_encoding(args.encoding, given, args.output, args.code, args.meshes)


def run_compare(args: argparse.Namespace) -> None:
    """Paired test of two models of one subject."""
    from tristream.config.settings.inference import CompareSettings
    from tristream.inference.comparison import compare_encodings

    given = settings(args, CompareSettings)
    compare_encodings(args.first, args.second, given, args.regions, args.output, args.code)


def run_partition(args: argparse.Namespace) -> None:
    """Test of unique and shared variance of one model of one subject."""
    from tristream.config.settings.inference import PartitionTestSettings
    from tristream.inference.tested_partition import infer_partition

    given = settings(args, PartitionTestSettings)
    files = args.partition, args.encoding
    infer_partition(*files, given, args.regions, args.output, args.code)


def run_group(args: argparse.Namespace) -> None:
    """All subjects of one model."""
    from tristream.config.settings.inference import GroupSettings
    from tristream.inference.group_models import infer_models

    files = args.encodings, args.inferences, args.samples
    infer_models(*files, settings(args, GroupSettings), args.output, args.regions, args.code)


def run_intersubject(args: argparse.Namespace) -> None:
    """Inter-subject correlation of the test data."""
    from tristream.config.settings.inference import GroupSettings
    from tristream.inference.intersubject import correlate_subjects

    given = settings(args, GroupSettings)
    correlate_subjects(args.encodings, args.samples, given, args.output, args.code)


def run_group_contrast(args: argparse.Namespace) -> None:
    """All subjects of one contrast."""
    from tristream.config.settings.inference import GroupSettings
    from tristream.inference.group_contrasts import infer_contrasts

    given = settings(args, GroupSettings)
    infer_contrasts(args.contrasts, given, args.output, args.regions, args.code)


def run_group_comparison(args: argparse.Namespace) -> None:
    """All subjects of one comparison."""
    from tristream.config.settings.inference import GroupSettings
    from tristream.inference.group_comparisons import infer_comparisons

    files = args.firsts, args.seconds, args.comparisons, args.samples
    infer_comparisons(*files, settings(args, GroupSettings), args.output, args.regions, args.code)


def run_group_partition(args: argparse.Namespace) -> None:
    """All subjects of the unique variance of one band."""
    from tristream.config.settings.inference import GroupSettings
    from tristream.inference.group_partitions import infer_partitions

    files = args.partitions, args.tests, args.encodings, args.band
    infer_partitions(*files, settings(args, GroupSettings), args.output, args.regions, args.code)


def run_group_decoder(args: argparse.Namespace) -> None:
    """All subjects of one decoder."""
    from tristream.config.settings.inference import GroupSettings
    from tristream.inference.group_decoders import infer_decoders

    infer_decoders(args.decodings, settings(args, GroupSettings), args.output, args.code)


def run_atlas(args: argparse.Namespace) -> None:
    """Fetch the atlas."""
    from tristream.config.settings.maps import DataSettings
    from tristream.fetch.steps import fetch_members
    from tristream.space.harvard_oxford import HARVARD_OXFORD

    data = Path(settings(args, DataSettings).data)
    fetch_members("harvard_oxford", HARVARD_OXFORD, data, args.code).write(args.output)


def run_regions(args: argparse.Namespace) -> None:
    """Label the atlas's voxels."""
    from tristream.space.harvard_oxford import write_regions

    write_regions(args.receipt, args.output, args.code)


def run_tables(args: argparse.Namespace) -> None:
    """Tables of one model of one subject."""
    from tristream.inference.region_tables import write_tables

    write_tables(
        args.encoding, args.inference, args.regions, args.by_region, args.by_cluster, args.code
    )


def run_recovery(args: argparse.Namespace) -> None:
    """Recovery of the simulated truth."""
    from tristream.config.settings.recovery import RecoverySettings
    from tristream.inference.recovery import check_recovery

    given = settings(args, RecoverySettings)
    check_recovery(args.truth, args.encodings, given, args.output, args.code)


def run_identify(args: argparse.Namespace) -> None:
    """Identify, write; print the figure of each region."""
    from tristream.config.settings.identification import IdentificationSettings
    from tristream.inference.encoder_identification import identify_by_encoder

    given = settings(args, IdentificationSettings)
    files = (args.encoding, args.bold, args.samples, args.output, args.sets)
    for cell in identify_by_encoder(*files, given, args.code).cells:
        pairwise = cell.found.pairwise
        print(f"{cell.region}: pairwise {pairwise.value:.3f} (chance {pairwise.chance:.3f})")
