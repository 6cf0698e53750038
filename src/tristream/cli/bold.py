"""``tristream bold``: one file a run of cleaned BOLD, and a subject's index."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_output, add_settings, add_stage, settings

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
    add_settings(prepare, "dataset", "subject")
    _add_run(prepare)
    prepare.add_argument(
        "--registered",
        type=Path,
        nargs="+",
        default=[],
        help="layout raw: the subject's normalisation, then the registrations of all its runs",
    )
    help = "estimate: glmsingle: what `volumes` and `choose` wrote, in place of images"
    prepare.add_argument("--volumes", type=Path, help=help)
    prepare.add_argument("--model", type=Path, help="goes with --volumes")
    add_output(prepare, "RUN.h5")
    prepare.set_defaults(run=_prepare)

    _register_trials(actions)

    help = "check that a subject's images, sidecars, masks and events fit together"
    check = actions.add_parser("check", help=help, description=help)
    add_settings(check, "dataset", "subject")
    _add_receipt(check)
    check.add_argument("--inventory", type=Path, required=True, help="inventory.tsv")
    add_output(check, "checked.json")
    check.set_defaults(run=_check)

    help = "check that volumes of subjects who share a timeline stand at the same times"
    timing = actions.add_parser("timing", help=help, description=help)
    add_settings(timing, "dataset")
    timing.add_argument("--checked", type=Path, nargs="+", required=True, help="of all subjects")
    add_output(timing, "timing.json")
    timing.set_defaults(run=_timing)

    normalise = actions.add_parser("normalise", help="layout raw: register the T1w to the template")
    add_settings(normalise, "dataset", "subject")
    _add_receipt(normalise)
    add_output(normalise, "HDF5 file")
    normalise.set_defaults(run=_normalise)

    register = actions.add_parser("register", help="layout raw: head motion and place of one run")
    add_settings(register, "dataset", "subject")
    _add_run(register)
    register.add_argument("--normalisation", type=Path, required=True, help="the subject's")
    add_output(register, "RUN.h5")
    register.set_defaults(run=_register)

    index = actions.add_parser("index", help="check a subject's runs and list their quality")
    add_settings(index, "dataset", "subject")
    index.add_argument("--runs", type=Path, nargs="+", required=True, help="the prepared runs")
    add_output(index, "index.json")
    index.set_defaults(run=_index)


def _register_trials(actions: Any) -> None:
    """What `trials.estimate: glmsingle` needs before `prepare`."""
    help = "read, clean and store the volumes of a run whose trials are estimated later"
    volumes = actions.add_parser("volumes", help=help, description=help)
    add_settings(volumes, "dataset", "subject")
    _add_run(volumes)
    volumes.add_argument("--registered", type=Path, nargs="+", default=[], help="as of `prepare`")
    add_output(volumes, "RUN.h5")
    volumes.set_defaults(run=_volumes)

    help = "choose a subject's model of single trials on its training runs"
    choose = actions.add_parser("choose", help=help, description=help)
    add_settings(choose, "dataset", "subject")
    _add_receipt(choose)
    choose.add_argument(
        "--volumes", type=Path, nargs="+", required=True, help="of the training runs"
    )
    add_output(choose, "HDF5 file")
    choose.set_defaults(run=_choose)


def _add_run(parser: argparse.ArgumentParser) -> None:
    # `run` holds the function of the command.
    parser.add_argument("--run", dest="bold_run", required=True, help="run, as task-rest_run-01")
    _add_receipt(parser)


def _add_receipt(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--receipt", type=Path, required=True, help="the subject's receipt")


def _prepare(args: argparse.Namespace) -> None:
    from tristream.bold.prepare import prepare_chosen, prepare_run
    from tristream.config.settings.bold import BoldSettings
    from tristream.errors import UserError

    about = settings(args, BoldSettings)
    chosen = about.trials is not None and about.trials.estimation.estimate == "glmsingle"
    if chosen != bool(args.volumes and args.model):
        raise UserError(
            f"{args.bold_run}: `estimate: glmsingle` takes --volumes and --model, other estimates "
            "take neither; see `tristream bold volumes` and `tristream bold choose`"
        )
    if chosen:
        prepare_chosen(about, args.volumes, args.model, args.receipt, args.output, args.code)
        return
    prepare_run(about, args.bold_run, args.receipt, args.output, args.code, args.registered)


def _volumes(args: argparse.Namespace) -> None:
    from tristream.bold.prepare import prepare_volumes
    from tristream.config.settings.bold import BoldSettings

    about = settings(args, BoldSettings)
    prepare_volumes(about, args.bold_run, args.receipt, args.output, args.code, args.registered)


def _choose(args: argparse.Namespace) -> None:
    from tristream.bold.trial_model import choose_model
    from tristream.config.settings.bold import TrialModelSettings

    about = settings(args, TrialModelSettings)
    choose_model(about, args.volumes, args.receipt, args.output, args.code)


def _check(args: argparse.Namespace) -> None:
    from tristream.bold.check_subject import write_checked
    from tristream.config.settings.bold import CheckSettings

    write_checked(
        settings(args, CheckSettings), args.receipt, args.inventory, args.output, args.code
    )


def _timing(args: argparse.Namespace) -> None:
    from tristream.bold.timing import write_timing
    from tristream.config.settings.bold import TimingSettings

    write_timing(settings(args, TimingSettings), args.checked, args.output, args.code)


def _normalise(args: argparse.Namespace) -> None:
    from tristream.bold.registration.normalise import normalise
    from tristream.bold.registration.registration_file import write_normalisation
    from tristream.config.settings.bold import SubjectSettings
    from tristream.fetch.receipt import Receipt

    about, receipt = settings(args, SubjectSettings), Receipt.read(args.receipt)
    made = normalise(about, receipt)
    write_normalisation(args.output, made, receipt.simulated, about.key(), args.code)


def _register(args: argparse.Namespace) -> None:
    from tristream.bold.registration.motion import register_run
    from tristream.bold.registration.registration_file import read_normalisation, write_registration
    from tristream.config.settings.bold import RegisterSettings
    from tristream.fetch.receipt import Receipt

    about, receipt = settings(args, RegisterSettings), Receipt.read(args.receipt)
    made = register_run(about, args.bold_run, receipt, read_normalisation(args.normalisation))
    write_registration(args.output, made, receipt.simulated, about.key(), args.code)


def _index(args: argparse.Namespace) -> None:
    from tristream.bold.index_file import write_index
    from tristream.config.settings.bold import IndexSettings

    write_index(settings(args, IndexSettings), args.runs, args.output, args.code)
