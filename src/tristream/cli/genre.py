"""``tristream genre``: train networks that tell the genre of music."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_config, add_stage, study
from tristream.errors import UserError

EXAMPLES = """\
  tristream genre train gtzan --network lstm --output networks/lstm --leave-out-faults
  tristream genre train gtzan --network crnn --output networks/crnn \\
      --keep-out-tests-of ds003720          # before genre is decoded from its BOLD
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(stages, "genre", "networks that tell the genre of music", EXAMPLES)
    actions = stage.add_subparsers(dest="action", metavar="ACTION", required=True)
    train = actions.add_parser("train", help="train on a folder GENRE/TRACK.wav")
    train.add_argument("folder", type=Path, help="one folder a genre, each with sounds")
    train.add_argument("--network", choices=("lstm", "crnn", "tcn"), default="crnn")
    train.add_argument("--output", type=Path, required=True, help="folder to write")
    train.add_argument(
        "--frames", type=int, default=128, help="spectra of a window (default: 128, 3 s)"
    )
    _add_corpus(train)
    train.add_argument("--epochs", type=int, default=60, help="at most (default: 60)")
    train.add_argument("--patience", type=int, default=12, help="epochs (default: 12)")
    train.add_argument("--rate", type=float, default=1e-3, help="learning rate (default: 0.001)")
    train.add_argument("--batch", type=int, default=64, help="windows at once (default: 64)")
    train.add_argument("--mixup", type=float, default=0.2, help="0: none (default: 0.2)")
    train.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="default: auto"
    )
    train.add_argument("--seed", type=int, default=0, help="default: 0")
    train.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    train.add_argument("--workers", type=int, default=1, help="processes that read ahead")
    train.add_argument("--threads", type=int, default=1, help="threads of torch (default: 1)")
    train.set_defaults(run=_train)


def _add_corpus(train: argparse.ArgumentParser) -> None:
    train.add_argument(
        "--leave-out-faults",
        action="store_true",
        help="leave out known faults of GTZAN, copies, silence and damaged files",
    )
    train.add_argument(
        "--keep-out", type=Path, nargs="+", default=[], help="sounds that must not train it"
    )
    train.add_argument(
        "--keep-out-tests-of",
        metavar="DATASET",
        help="the sounds of the test runs of a dataset in the study must not train it",
    )
    train.add_argument("--groups", type=Path, help="table: track group (such as the artist)")
    add_config(train)


def _train(args: argparse.Namespace) -> None:
    import torch

    from tristream.genre.figures import draw_training
    from tristream.genre.train_network import train_genre_network
    from tristream.genre.training import Training
    from tristream.maps.style import save, style

    torch.set_num_threads(args.threads)
    if args.epochs < 1 or args.batch < 1 or args.workers < 0 or args.mixup < 0 or args.rate <= 0:
        raise UserError("--epochs, --batch and --rate are above 0, --workers and --mixup not below")
    kept_out = [*args.keep_out, *(_test_sounds(args) if args.keep_out_tests_of else [])]
    report = train_genre_network(
        args.folder,
        args.output,
        args.network,
        frames=args.frames,
        training=Training(
            epochs=args.epochs,
            patience=args.patience,
            rate=args.rate,
            batch=args.batch,
            mixup=args.mixup,
            precision=args.precision,
            seed=args.seed,
        ),
        leave_out_faults=args.leave_out_faults,
        kept_out=kept_out,
        groups=args.groups,
        device=args.device,
        workers=args.workers,
    )
    with style():
        save(draw_training(args.output), args.output / "training.png")
    print(
        f"{args.network}: {report['accuracy']:.3f} of {report['tracks']['test']} test tracks "
        f"(chance {report['chance']:.3f}, p = {report['p']:.4f}); {len(report['left_out'])} tracks "
        f"left out; {args.output}"
    )


def _test_sounds(args: argparse.Namespace) -> list[Path]:
    """Files of the sounds of a dataset's test runs, from the study's results."""
    from tristream.fetch.receipt import Receipt
    from tristream.genre.kept_out import heard_in_test_runs
    from tristream.results import Layout
    from tristream.stimuli.tables import read_inventory, read_splits

    resolved = study(args)
    dataset = args.keep_out_tests_of
    if dataset not in resolved.datasets:
        raise UserError(f"--keep-out-tests-of {dataset}: the study has no such dataset")
    layout = Layout(resolved.study.results)
    inventory, splits, receipt = (
        layout.path(name, dataset=dataset) for name in ("inventory", "splits", "stimuli_receipt")
    )
    if not inventory.exists():
        raise UserError(f"{inventory}: is not there; run `snakemake --cores 1 {inventory}` first")
    heard = heard_in_test_runs(read_inventory(inventory), read_splits(splits))
    if not heard:
        raise UserError(f"{dataset}: its test runs present no film or sound; nothing to keep out")
    files = Receipt.read(receipt)
    return [files.path(name) for name in heard]
