"""``tristream stimuli``: what was shown when, and whether the test set was seen in training."""

import argparse
from collections import Counter
from dataclasses import asdict
from typing import Any

from tristream.cli.common import add_config, add_stage, add_target, dataset_of, study


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
    leakage.add_argument("--output", required=True, help="table to write, a row a finding")
    leakage.set_defaults(run=_leakage)

    for command in (inventory, leakage):
        add_target(command, "dataset")
        command.add_argument("--receipt", help="receipt of the stimuli, where there are any")
        command.add_argument("--code", default="", help="fingerprint to store")
        add_config(command)


def _inventory(args: argparse.Namespace) -> None:
    from tristream.fetch.receipt import Receipt
    from tristream.stimuli import inventory, splits
    from tristream.store import Provenance, write_table

    # All subjects of the descriptor, not the chosen ones: choosing another changes nothing here.
    dataset = dataset_of(args)
    subjects = dataset.subjects
    listing = Receipt.read(args.listing)
    receipt = Receipt.read(args.receipt) if args.receipt else None
    timelines = inventory.read_timelines(dataset, subjects, listing)
    timelines = inventory.without_absent(dataset, timelines, receipt)
    split = splits.split_table(dataset, subjects, timelines)
    stimuli = inventory.stimulus_list(dataset, timelines, receipt)
    keys = {"runs", "missing", "timelines", "events", "stimuli", "split", "exchange", "tr"}
    keys.add("layout")
    config = {"dataset": dataset.model_dump(mode="json", include=keys), "subjects": subjects}
    simulated = listing.simulated or (receipt is not None and receipt.simulated)
    write_table(
        args.splits, split, Provenance("splits", simulated, config, args.code), splits.COLUMNS
    )
    write_table(
        args.inventory,
        inventory.inventory_table(timelines, dataset.exchange.unit),
        Provenance("inventory", simulated, config, args.code),
        inventory.COLUMNS,
        stimuli=stimuli,
    )


def _leakage(args: argparse.Namespace) -> None:
    from tristream.fetch.receipt import Receipt
    from tristream.stimuli.leakage import COLUMNS, audit
    from tristream.stimuli.order_across import order_across
    from tristream.store import Omission, Provenance, read_json, read_table, sidecar, write_table

    resolved = study(args)
    dataset = dataset_of(args)
    inventory, said = read_table(args.inventory, "inventory")
    splits, said_splits = read_table(args.splits, "splits")
    stimuli = read_json(sidecar(args.inventory), "inventory")[0].get("stimuli", [])
    receipt = Receipt.read(args.receipt) if args.receipt else None
    chosen = resolved.study.leakage
    result = audit(
        args.dataset, inventory, splits, stimuli, receipt, chosen, dataset.stimuli.known_leaks
    )
    # All subjects of the descriptor, as in the inventory.
    sharing = Counter(dataset.timeline_of(subject) for subject in dataset.subjects)
    across = order_across(inventory, sharing)
    omitted = []
    if not result.baseline:
        why = "no label is shown both in training and in test runs"
        omitted.append(Omission("order baseline", why))
    config = {"leakage": chosen.model_dump(mode="json")}
    simulated = said.simulated or said_splits.simulated
    write_table(
        args.output,
        result.table,
        Provenance("leakage", simulated, config, args.code, tuple(omitted)),
        COLUMNS,
        checked=result.checked,
        baseline=result.baseline,
        drop=result.drop,
        across=asdict(across) if across else None,
    )
