"""``tristream fetch``: datasets, stimuli, network weights and atlases, with receipts."""

import argparse
import sys
from pathlib import Path
from typing import Any

from tristream.cli.common import add_config, add_output, add_settings, add_stage, settings, study
from tristream.errors import UserError

EXAMPLES = """\
  tristream fetch plan --dataset haxby2001_slice
  tristream fetch --plan
  tristream fetch dataset --dataset bunny --output results/fetch/bunny/dataset.json
  tristream fetch subject --dataset bunny --subject 01 \\
      --listing results/fetch/bunny/dataset.json --output results/fetch/bunny/sub-01/receipt.json
  tristream fetch weights --space musicnn --output results/fetch/weights/musicnn/receipt.json
  tristream fetch drop --receipt results/fetch/bunny/sub-01/receipt.json --output dropped.json
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(
        stages, "fetch", "Fetch data by pinned version, verify them, write receipts.", EXAMPLES
    )
    actions = stage.add_subparsers(title="actions", dest="action", metavar="ACTION")
    stage.add_argument("--plan", action="store_true", help="the same as the action plan")
    stage.add_argument("--dataset", help="with --plan: the dataset (default: all of the study)")
    add_config(stage)
    stage.set_defaults(run=run_stage)

    def action(name: str, run: Any, help: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=help, description=help)
        parser.set_defaults(run=run)
        return parser

    def job(name: str, run: Any, help: str, *targets: str) -> argparse.ArgumentParser:
        parser = action(name, run, help)
        add_settings(parser, *targets)
        add_output(parser, "receipt")
        return parser

    plan = action("plan", run_plan, "Print which files would be got, and their bytes.")
    add_config(plan)
    plan.add_argument(
        "--dataset", help="a dataset, of the study or not yet (default: all of the study)"
    )
    status = action("status", run_status, "List the stimuli: present, missing, unneeded.")
    add_config(status)
    status.add_argument("--dataset", required=True, help="name of the dataset in the study")
    job("dataset", run_dataset, "List a dataset at its pinned commit.", "dataset")
    help = "Get and check the files of one subject."
    subject = job("subject", run_subject, help, "dataset", "subject")
    subject.add_argument("--listing", required=True, help="receipt of `fetch dataset`")
    job("stimuli", run_stimuli, "Get the stimuli of a dataset.", "dataset")
    job("weights", run_weights, "Get the pretrained weights of a feature space.", "space")
    job("atlas", run_atlas, "Get the atlas of a simulation preset.", "preset")
    drop = action("drop", run_drop, "Drop annexed content that a remote verifiably holds too.")
    drop.add_argument("--receipt", nargs="+", required=True, help="receipts of what was used")
    add_output(drop, "list of what was dropped")


def run_stage(args: argparse.Namespace) -> None:
    """The stage without an action: ``--plan``."""
    if not args.plan:
        raise UserError("fetch: name an action; `tristream fetch --help` lists them")
    run_plan(args)


def run_plan(args: argparse.Namespace) -> None:
    """Print the files of all chosen subjects that are not present yet.

    Of a dataset that the study does not list, these are all of its subjects.
    """
    from tristream.config.load import consider
    from tristream.fetch.plan import plan_dataset

    resolved = study(args)
    if args.dataset:
        resolved = consider(resolved, args.dataset, args.config, args.datasets)
    for dataset in [args.dataset] if args.dataset else resolved.datasets:
        plan = plan_dataset(resolved, dataset)
        for path, size in plan.files:
            print(f"{size if size is not None else '?':>14}  {path}")
        print(f"{plan.dataset}: {plan.summary}")


def run_dataset(args: argparse.Namespace) -> None:
    """List a dataset."""
    from tristream.config.settings.fetch import FetchDatasetSettings
    from tristream.fetch.steps import fetch_dataset

    fetch_dataset(settings(args, FetchDatasetSettings), args.code).write(args.output)


def run_subject(args: argparse.Namespace) -> None:
    """Get one subject."""
    from tristream.config.settings.fetch import FetchSubjectSettings
    from tristream.fetch.receipt import Receipt
    from tristream.fetch.steps import fetch_subject

    chosen = settings(args, FetchSubjectSettings)
    fetch_subject(chosen, Receipt.read(args.listing), args.code).write(args.output)


def run_stimuli(args: argparse.Namespace) -> None:
    """Get the stimuli."""
    from tristream.config.settings.fetch import FetchStimuliSettings
    from tristream.fetch.stimulus_files import fetch_stimuli

    fetch_stimuli(settings(args, FetchStimuliSettings), args.code).write(args.output)


def run_status(args: argparse.Namespace) -> None:
    """Print one line a stimulus."""
    from tristream.fetch.stimulus_files import stimulus_status

    print("path\tstimulus\tstatus")
    for row in stimulus_status(study(args), args.dataset):
        print("\t".join(row))


def run_weights(args: argparse.Namespace) -> None:
    """Get a space's weights."""
    from tristream.features.core.weights_settings import FetchWeightsSettings
    from tristream.fetch.steps import fetch_weights

    chosen = settings(args, FetchWeightsSettings)
    data = Path(chosen.data)
    fetch_weights(chosen.space, chosen.source, data, args.code).write(args.output)


def run_atlas(args: argparse.Namespace) -> None:
    """Get a preset's atlas."""
    from tristream.config.settings.simulate import FetchAtlasSettings
    from tristream.fetch.steps import fetch_members

    chosen = settings(args, FetchAtlasSettings)
    what = f"The atlas of the preset {chosen.preset} was"
    receipt = fetch_members(chosen.preset, chosen.source, Path(chosen.data), args.code, what)
    receipt.write(args.output)


def run_drop(args: argparse.Namespace) -> None:
    """Drop content and tell what was kept."""
    from tristream.fetch.receipt import Receipt
    from tristream.fetch.steps import drop

    dropped = drop([Receipt.read(path) for path in args.receipt], args.code)
    dropped.write(args.output)
    for kept in dropped.kept:
        print(f"{kept.what}: kept, not dropped: {kept.why}", file=sys.stderr)
