"""``tristream features``: compute feature spaces, and list what can be computed."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tristream.cli.common import (
    add_config,
    add_output,
    add_settings,
    add_stage,
    check_targets,
    settings,
    study,
)
from tristream.errors import UserError

if TYPE_CHECKING:
    from tristream.config.settings.features import FeatureSettings

EXAMPLES = """\
  tristream features list
  tristream features extract --dataset bunny --space flow \\
      --receipt results/fetch/bunny/stimuli/receipt.json \\
      --output results/features/bunny/flow/flow.h5
  tristream features extract my_sounds/*.wav --space acoustics --layers rms --output rms.h5
  tristream features show flow --at 120
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(stages, "features", "features of films, sounds and labels", EXAMPLES)
    actions = stage.add_subparsers(dest="action", metavar="ACTION", required=True)

    extract = actions.add_parser("extract", help="write layers of a feature space in one pass")
    extract.add_argument(
        "files", type=Path, nargs="*", help="films, sounds or images of your own, without a study"
    )
    extract.add_argument("--layers", nargs="+", default=[], help="of FILES (default: the usual)")
    extract.add_argument(
        "--options", nargs="+", default=[], metavar="KEY=VALUE", help="of the space, with FILES"
    )
    extract.add_argument(
        "--data", type=Path, default=Path("data"), help="where weights go, with FILES"
    )
    add_settings(extract, "dataset", "space")
    extract.add_argument("--receipt", type=Path, help="receipt of the stimuli (films, sounds)")
    extract.add_argument("--inventory", type=Path, help="inventory.tsv (labels)")
    extract.add_argument("--weights", type=Path, help="receipt of pretrained weights")
    extract.add_argument("--truth", type=Path, help="truth.h5 of a simulated dataset")
    extract.add_argument("--threads", type=int, default=1, help="threads (default: 1)")
    extract.add_argument(
        "--output",
        type=Path,
        nargs="+",
        required=True,
        help="LAYER.h5 of each layer to write; of FILES one NAME.h5, or a folder",
    )
    extract.add_argument("--code", default="", help="fingerprint to store in the files")
    extract.set_defaults(run=_extract)

    _add_fusion(actions)
    seen = actions.add_parser("show", help="figures: what went into a space, what came out")
    seen.add_argument("space", help="feature space, as named in the study")
    add_config(seen)
    seen.add_argument("--dataset", help="dataset id (default: the first that has the features)")
    seen.add_argument("--stimulus", help="film or sound (default: the first)")
    seen.add_argument("--at", type=float, nargs="+", help="seconds of the film or sound")
    seen.add_argument("--output", type=Path, help="folder (default: RESULTS/show/DATASET)")
    seen.set_defaults(run=_show)
    draw = actions.add_parser("draw-tracks", help="draw a space of tracked objects over a film")
    add_config(draw)
    draw.add_argument("--space", required=True, help="feature space of tracked_objects")
    draw.add_argument("--film", type=Path, required=True, help="the film")
    draw.add_argument("--weights", type=Path, required=True, help="receipt of the space's weights")
    draw.add_argument("--threads", type=int, default=1, help="threads (default: 1)")
    draw.add_argument("--output", type=Path, required=True, help=".mp4 to write")
    draw.set_defaults(run=_draw_tracks)
    _add_training(actions)
    known = actions.add_parser("list", help="extractors, their layers and options")
    known.add_argument("--module", help="list those of a .py file of your own")
    known.set_defaults(run=_list)
    reference = actions.add_parser("reference", help="write docs/features.md")
    reference.add_argument("--root", type=Path, default=Path(), help="root of the repository")
    reference.set_defaults(run=_write_reference)


def _add_fusion(actions: Any) -> None:
    fit = actions.add_parser("fit", help="what a derived space learns from training stimuli")
    fit.add_argument("--inventory", type=Path, required=True, help="inventory.tsv")
    fit.add_argument("--splits", type=Path, required=True, help="splits.tsv: what trains")
    fit.set_defaults(run=_fit)
    fuse = actions.add_parser("fuse", help="write one layer of a derived space")
    fuse.add_argument("--fit", type=Path, required=True, help="what `features fit` wrote")
    fuse.set_defaults(run=_fuse)
    for parser in (fit, fuse):
        add_settings(parser, "dataset", "fused")
        parser.add_argument(
            "--parents", type=Path, nargs="+", required=True, help="feature files of the parents"
        )
        parser.add_argument("--threads", type=int, default=1, help="threads (default: 1)")
        add_output(parser, "file")


def _fit(args: argparse.Namespace) -> None:
    from tristream.config.settings.fusion import FusionSettings
    from tristream.features.fusion.derived_space import fit

    fit(
        settings(args, FusionSettings),
        args.parents,
        args.inventory,
        args.splits,
        args.output,
        code=args.code,
        threads=args.threads,
    )


def _fuse(args: argparse.Namespace) -> None:
    from tristream.config.settings.fusion import FusionSettings
    from tristream.features.fusion.derived_space import fuse

    fuse(
        settings(args, FusionSettings),
        args.parents,
        args.fit,
        args.output,
        code=args.code,
        threads=args.threads,
    )


def _show(args: argparse.Namespace) -> None:
    from tristream.features.show.show_command import show
    from tristream.maps.style import STREAM_COLOURS, save, style

    resolved = study(args)
    with style():
        shown = show(resolved, args.space, args.dataset, args.stimulus, args.at, STREAM_COLOURS)
        folder = args.output or Path(resolved.study.results) / "show" / shown.dataset
        for name, figure in shown.figures.items():
            path = folder / f"{args.space}_{name}.png"
            save(figure, path)
            print(path)
    print(shown.text)


@dataclass(frozen=True)
class Inputs:
    """The files that a job gets; which of them depends on what the extractor reads.

    Attributes
    ----------
    receipt : Path, optional
        Receipt of the stimuli (films, sounds).
    inventory : Path, optional
        The dataset's inventory (labels).
    weights : Path, optional
        Receipt of pretrained weights.
    truth : Path, optional
        The simulator's ``truth.h5``.
    """

    receipt: Path | None = None
    inventory: Path | None = None
    weights: Path | None = None
    truth: Path | None = None


def extract(
    settings: "FeatureSettings",
    outputs: Sequence[Path],
    inputs: Inputs,
    code: str = "",
    threads: int = 1,
) -> None:
    """Compute with the module for what the extractor reads."""
    from tristream.features.core.checked_space import of_settings

    space = of_settings(settings)
    if not code:
        from tristream.features.core.jobs import modules_of
        from tristream.fingerprint import fingerprint

        code = fingerprint(*modules_of(space))
    if space.extractor.media == "label":
        from tristream.features.core.label_extraction import extract_labels

        extract_labels(settings, outputs, inputs.inventory, code)
    elif space.extractor.media == "truth":
        from tristream.features.core.truth_extraction import extract_truth

        extract_truth(settings, outputs, inputs.truth, code)
    else:
        from tristream.features.core.extraction import extract_media

        extract_media(settings, outputs, inputs.receipt, inputs.weights, code, threads)


def _extract(args: argparse.Namespace) -> None:
    if args.files:
        _extract_files(args)
        return
    from tristream.config.settings.features import FeatureSettings

    if args.settings:
        wanted = FeatureSettings.read(args.settings)
    else:
        from tristream.features.core.jobs import settings_of

        check_targets(args)
        wanted = settings_of(study(args), args.dataset, args.space)
    inputs = Inputs(args.receipt, args.inventory, args.weights, args.truth)
    extract(wanted, args.output, inputs, args.code, args.threads)


def _extract_files(args: argparse.Namespace) -> None:
    from tristream.features.core.own_files import extract_files, parsed_options

    if args.space is None or len(args.output) != 1:
        raise UserError("of files: name one --space (`tristream features list`) and one --output")
    made = extract_files(
        args.files,
        args.space,
        args.output[0],
        args.layers,
        parsed_options(args.options),
        args.data,
        args.threads,
    )
    print("\n".join(map(str, made)))


def _add_training(actions: Any) -> None:
    train = actions.add_parser(
        "train-two-stream", help="train a two-stream network on labelled clips"
    )
    train.add_argument(
        "--clips", type=Path, required=True, help="table: path label group split [start stop]"
    )
    train.add_argument("--folder", type=Path, required=True, help="folder to write")
    train.add_argument("--fps", type=float, default=12.0, help="frames per second (default: 12)")
    train.add_argument("--size", type=int, default=64, help="pixels of a side (default: 64)")
    train.add_argument("--stack", type=int, default=10, help="flow fields at once (default: 10)")
    train.add_argument(
        "--keep-mean", action="store_true", help="keep each field's mean: the camera's motion"
    )
    train.add_argument("--epochs", type=int, default=60, help="at most (default: 60)")
    train.add_argument("--seed", type=int, default=0, help="default: 0")
    train.add_argument("--threads", type=int, default=1, help="threads (default: 1)")
    train.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="default: cpu")
    train.set_defaults(run=_train)


def _train(args: argparse.Namespace) -> None:
    import cv2
    import torch

    from tristream.features.spaces.two_stream.train import Training, train

    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    report = train(
        args.clips,
        args.folder,
        fps=args.fps,
        size=args.size,
        stack=args.stack,
        subtract_mean=not args.keep_mean,
        training=Training(epochs=args.epochs, seed=args.seed),
        device=args.device,
    )
    for name, accuracy in report["test"].items():
        print(f"{name}: {accuracy:.3f} of the test clips (chance {report['chance']:.3f})")


def _draw_tracks(args: argparse.Namespace) -> None:
    from tristream.features.spaces.tracked_objects.draw import draw_space

    draw_space(study(args), args.space, args.film, args.weights, args.output, threads=args.threads)


def _list(args: argparse.Namespace) -> None:
    from tristream.features.core.registry import known

    for found in known(args.module).values():
        print(f"{found.name} ({found.media}): {found.summary}")
        for title, layers in (("layers ", found.layers), ("default", found.default_layers)):
            names = "depend on the network" if callable(layers) else ", ".join(layers)
            print(f"  {title}  {names}")
        for name, field in found.options.model_fields.items():
            print(
                f"  option   {name} = {field.get_default()!r}  {field.description or ''}".rstrip()
            )
        weights = found.weights
        if callable(weights):
            print("  weights  model and revision of the hub, or a folder")
        elif weights:
            print(f"  weights  {weights.package} {weights.version} ({weights.licence})")


def _write_reference(args: argparse.Namespace) -> None:
    from tristream.features.core.reference_page import markdown

    (args.root / "docs/features.md").write_text(markdown(), encoding="utf-8")
