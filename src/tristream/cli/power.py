"""``tristream power``: what a study that is still to be scanned could find."""

import argparse
from typing import Any

from tristream.cli.common import add_output, add_settings, add_stage, settings

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
    add_settings(run, "name")
    add_output(run, "NAME.h5, and NAME.tsv beside it,")
    run.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from tristream.config.settings.power import PowerSettings
    from tristream.power.answer import answers
    from tristream.power.power_analysis import run_power

    for line in answers(run_power(settings(args, PowerSettings), args.output, args.code)):
        print(line)
