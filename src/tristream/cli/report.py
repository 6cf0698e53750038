"""``tristream report``: the pages that a researcher reads."""

import argparse
from typing import Any

from tristream.cli.common import add_output, add_settings, add_stage, settings

EXAMPLES = """\
  tristream report build --output results/report/index.html
  tristream report build --config my_study.yaml --output my_results/report/index.html

Its pages name every result that is not there yet, so a report can be built at any time."""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(stages, "report", "Offline HTML report of the results on disk.", EXAMPLES)
    build = stage.add_subparsers(dest="command", required=True, metavar="COMMAND").add_parser(
        "build", help="index.html, one page a dataset and one a subject"
    )
    add_settings(build)
    add_output(build, "report/index.html")
    build.add_argument("--workers", type=int, default=1, help="processes that make pages")
    build.set_defaults(run=_build)


def _build(args: argparse.Namespace) -> None:
    from tristream.config.settings.report import ReportSettings
    from tristream.report.build import build

    build(settings(args, ReportSettings).resolved(), args.output, args.code, args.workers)
