"""``tristream power``: what a study that is still to be scanned could find."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_config, add_stage, study
from tristream.errors import UserError

EXAMPLES = """\
  tristream power run --name localiser --output results/power/localiser.h5

config.yaml names the design and the guesses:

  power:
    localiser:
      events: [design/sub-01/func/*_events.tsv]     # one a run
      test: ["task-test_*"]
      tr: 1.5
      effects: [0.1, 0.2, 0.3]                      # ceiling r of a voxel in one run
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(stages, "power", "plan a study before scanning it", EXAMPLES)
    actions = stage.add_subparsers(dest="action", metavar="ACTION", required=True)
    run = actions.add_parser("run", help="simulate a design, analyse it, and count what is found")
    add_config(run)
    run.add_argument("--name", required=True, help="name in `power` of the study")
    run.add_argument("--output", type=Path, required=True, help="NAME.h5; NAME.tsv goes beside it")
    run.add_argument("--code", default="", help="fingerprint to store in the files")
    run.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    given = study(args).study
    if args.name not in given.power:
        known = ", ".join(given.power) or "none"
        raise UserError(f"{args.config}: power: no {args.name!r}; there are {known}")
    from tristream.power.answer import answers
    from tristream.power.power_file import run_power

    table = run_power(args.name, given.power[args.name], given.inference, args.output, args.code)
    for line in answers(table):
        print(line)
