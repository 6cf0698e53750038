"""``tristream maps``: brain maps of a fitted encoding model, or of a contrast."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_output, add_settings, add_stage, settings

EXAMPLES = """\
  tristream maps draw --dataset bunny --model streams --subject 01 \\
    --encoding results/encode/bunny/streams/sub-01.h5 \\
    --inference results/inference/bunny/streams/sub-01.h5 \\
    --output results/maps/bunny/streams/sub-01/maps.json"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(stages, "maps", "Brain maps: volumes, surfaces, figures, tables.", EXAMPLES)
    commands = stage.add_subparsers(dest="command", required=True, metavar="COMMAND")
    meshes = commands.add_parser("meshes", help="fetch the meshes of fsLR")
    add_settings(meshes)
    add_output(meshes, "fetch/meshes/receipt.json")
    meshes.set_defaults(run=_meshes)
    draw = commands.add_parser("draw", help="all maps of one subject and model")
    add_settings(draw, "dataset", "model", "subject")
    draw.add_argument("--encoding", required=True, type=Path, help="encode/D/M/sub-S.h5")
    draw.add_argument("--inference", required=True, type=Path, help="inference/D/M/sub-S.h5")
    draw.add_argument(
        "--partition",
        nargs=2,
        type=Path,
        metavar=("PARTITION", "TEST"),
        help="files of `encode partition` and of `inference partition`",
    )
    draw.add_argument("--regions", type=Path, help="regions of MNI space, outlined on flat maps")
    _add_background(draw)
    add_output(draw, "maps/D/M/sub-S/maps.json")
    draw.set_defaults(run=_draw)

    group = commands.add_parser("group", help="maps of all subjects")
    add_settings(group, "dataset", "name")
    group.add_argument("--group", required=True, type=Path, help="…/group.h5")
    add_output(group, "maps/D/M/group/maps.json")
    group.set_defaults(run=_group)

    contrast = commands.add_parser("contrast", help="maps and table of one subject and contrast")
    add_settings(contrast, "dataset", "contrast", "subject")
    contrast.add_argument("--fit", required=True, type=Path, help="contrasts/D/C/sub-S.h5")
    contrast.add_argument("--regions", type=Path, help="regions of MNI space")
    _add_background(contrast)
    contrast.add_argument("--table", required=True, type=Path, help="counts by region to write")
    add_output(contrast, "maps/D/C/sub-S/maps.json")
    contrast.set_defaults(run=_contrast)


def _add_background(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--background",
        type=Path,
        help="bold/D/sub-S/RUN.h5, whose mean lies under slices that are not in MNI space",
    )
    parser.add_argument("--meshes", type=Path, help="fetch/meshes/receipt.json, for BOLD on fsLR")


def _draw(args: argparse.Namespace) -> None:
    from tristream.config.settings.maps import MapsSettings
    from tristream.maps.encoding_maps import draw

    draw(
        settings(args, MapsSettings),
        args.subject,
        encoding=args.encoding,
        inference=args.inference,
        output=args.output,
        background=args.background,
        meshes=args.meshes,
        regions=args.regions,
        partition=args.partition and tuple(args.partition),
        code=args.code,
    )


def _contrast(args: argparse.Namespace) -> None:
    from tristream.config.settings.maps import ContrastMapsSettings
    from tristream.maps.contrast_maps import draw_contrast

    draw_contrast(
        settings(args, ContrastMapsSettings),
        args.subject,
        contrast=args.fit,
        output=args.output,
        table=args.table,
        background=args.background,
        regions=args.regions,
        meshes=args.meshes,
        code=args.code,
    )


def _group(args: argparse.Namespace) -> None:
    from tristream.config.settings.maps import GroupMapsSettings
    from tristream.maps.group_maps import draw_group

    draw_group(settings(args, GroupMapsSettings), args.group, args.output, args.code)


def _meshes(args: argparse.Namespace) -> None:
    from tristream.config.settings.maps import DataSettings
    from tristream.fetch.steps import fetch_members
    from tristream.space.mesh_faces import FSLR_MESHES

    data = Path(settings(args, DataSettings).data)
    fetch_members("fsLR", FSLR_MESHES, data, args.code).write(args.output)
