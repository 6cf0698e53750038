"""``tristream stimuli``: what was shown when, and whether the test set was seen in training."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_settings, add_stage, settings


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(
        stages,
        "stimuli",
        "List what each run shows, split the runs, and look for leakage between them.",
        "  tristream stimuli inventory --dataset bunny \\\n"
        "      --listing results/fetch/bunny/dataset.json \\\n"
        "      --receipt results/fetch/bunny/stimuli/receipt.json \\\n"
        "      --inventory inventory.tsv --splits splits.tsv\n"
        "  tristream stimuli leakage --dataset bunny --inventory inventory.tsv \\\n"
        "      --splits splits.tsv --receipt results/fetch/bunny/stimuli/receipt.json \\\n"
        "      --output leakage.tsv\n",
    )
    commands = stage.add_subparsers(title="commands", metavar="COMMAND", required=True)

    inventory = commands.add_parser("inventory", help="write inventory.tsv and splits.tsv")
    inventory.add_argument("--listing", required=True, help="receipt that lists the dataset")
    inventory.add_argument("--inventory", required=True, help="table to write, a row an event")
    inventory.add_argument("--splits", required=True, help="table to write, a row a run")
    inventory.set_defaults(run=_inventory)

    leakage = commands.add_parser("leakage", help="compare test with training stimuli")
    leakage.add_argument("--inventory", required=True, help="inventory.tsv")
    leakage.add_argument("--splits", required=True, help="splits.tsv")
    leakage.add_argument("--output", type=Path, required=True, help="table of findings to write")
    leakage.set_defaults(run=_leakage)

    for command in (inventory, leakage):
        add_settings(command, "dataset")
        command.add_argument("--receipt", help="receipt of the stimuli, where there are any")
        command.add_argument("--code", default="", help="fingerprint to store")


def _inventory(args: argparse.Namespace) -> None:
    from tristream.config.settings.stimuli import InventorySettings
    from tristream.fetch.receipt import Receipt
    from tristream.stimuli.inventory import make_inventory

    make_inventory(
        settings(args, InventorySettings),
        Receipt.read(args.listing),
        Receipt.read(args.receipt) if args.receipt else None,
        args.inventory,
        args.splits,
        args.code,
    )


def _leakage(args: argparse.Namespace) -> None:
    from tristream.config.settings.stimuli import LeakageSettings
    from tristream.fetch.receipt import Receipt
    from tristream.stimuli.leakage import audit
    from tristream.stimuli.tables import read_inventory, read_splits, write_leakage

    found = audit(
        settings(args, LeakageSettings),
        read_inventory(args.inventory),
        read_splits(args.splits),
        Receipt.read(args.receipt) if args.receipt else None,
        args.output,
        args.code,
    )
    write_leakage(found)
