"""``tristream bold``: one file a run of cleaned BOLD, and a subject's index."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import (
    add_config,
    add_output,
    add_settings,
    add_stage,
    dataset_of,
    settings,
)

EXAMPLES = """\
  tristream bold prepare --dataset bunny --subject 01 --run task-training_run-01 \\
      --receipt results/fetch/bunny/sub-01/receipt.json \\
      --output results/bold/bunny/sub-01/task-training_run-01.h5
  tristream bold index --dataset bunny --subject 01 \\
      --runs results/bold/bunny/sub-01/*.h5 --output results/bold/bunny/sub-01/index.json
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(stages, "bold", "clean BOLD runs and measure their quality", EXAMPLES)
    actions = stage.add_subparsers(dest="action", metavar="ACTION", required=True)

    prepare = actions.add_parser("prepare", help="read, clean and store one run")
    _add_subject(prepare)
    prepare.add_argument("--run", dest="bold_run", required=True, help="run, as task-rest_run-01")
    prepare.add_argument("--receipt", type=Path, required=True, help="the subject's receipt")
    prepare.add_argument("--output", type=Path, required=True, help="RUN.h5 to write")
    prepare.add_argument(
        "--registered",
        type=Path,
        nargs="+",
        default=[],
        help="layout raw: the subject's normalisation, then the registrations of all its runs",
    )
    prepare.set_defaults(run=_prepare)

    normalise = actions.add_parser("normalise", help="layout raw: register the T1w to the template")
    _add_subject(normalise)
    normalise.add_argument("--receipt", type=Path, required=True, help="the subject's receipt")
    normalise.add_argument("--output", type=Path, required=True, help="file to write")
    normalise.set_defaults(run=_normalise)

    register = actions.add_parser("register", help="layout raw: head motion and place of one run")
    _add_subject(register)
    register.add_argument("--run", dest="bold_run", required=True, help="run, as task-rest_run-01")
    register.add_argument("--receipt", type=Path, required=True, help="the subject's receipt")
    register.add_argument("--normalisation", type=Path, required=True, help="the subject's")
    register.add_argument("--output", type=Path, required=True, help="RUN.h5 to write")
    register.set_defaults(run=_register)

    index = actions.add_parser("index", help="check a subject's runs and list their quality")
    add_settings(index, "dataset", "subject")
    index.add_argument("--runs", type=Path, nargs="+", required=True, help="the prepared runs")
    add_output(index, "index.json")
    index.set_defaults(run=_index)


def _add_subject(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--dataset", required=True, help="dataset id")
    parser.add_argument("--subject", required=True, help="subject label, without sub-")
    parser.add_argument("--code", default="", help="fingerprint to store in the file")


def _prepare(args: argparse.Namespace) -> None:
    from tristream.bold.prepare import prepare_run

    dataset = dataset_of(args)
    prepare_run(
        dataset,
        args.subject,
        args.bold_run,
        args.receipt,
        args.output,
        args.code,
        args.registered,
    )


def _normalise(args: argparse.Namespace) -> None:
    from tristream.bold.registration.normalise import normalise
    from tristream.bold.registration.registration_file import write_normalisation
    from tristream.fetch.receipt import Receipt

    receipt = Receipt.read(args.receipt)
    made = normalise(dataset_of(args), args.subject, receipt)
    write_normalisation(args.output, made, receipt.simulated, args.code)


def _register(args: argparse.Namespace) -> None:
    from tristream.bold.registration.motion import register_run
    from tristream.bold.registration.registration_file import read_normalisation, write_registration
    from tristream.fetch.receipt import Receipt

    receipt = Receipt.read(args.receipt)
    normalised = read_normalisation(args.normalisation)
    made = register_run(dataset_of(args), args.subject, args.bold_run, receipt, normalised)
    write_registration(args.output, made, receipt.simulated, args.code)


def _index(args: argparse.Namespace) -> None:
    from tristream.bold.index_file import write_index
    from tristream.config.settings.bold import IndexSettings

    write_index(settings(args, IndexSettings), args.runs, args.output, args.code)
