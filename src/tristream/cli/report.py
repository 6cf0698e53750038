"""``tristream report``: the pages that a researcher reads."""

import argparse
from typing import Any

from tristream.cli.common import add_output, add_settings, add_stage, settings

EXAMPLES = """\
  tristream report build --output results/report/index.html
  tristream report build --config my_study.yaml --output my_results/report/index.html
  tristream report crate --output results/ro-crate-metadata.json

Its pages name every result that is not there yet, so a report can be built at any time."""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(stages, "report", "Offline HTML report of the results on disk.", EXAMPLES)
    commands = stage.add_subparsers(dest="command", required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="index.html, one page a dataset and one a subject")
    add_settings(build)
    add_output(build, "report/index.html")
    build.add_argument("--workers", type=int, default=1, help="processes that make pages")
    build.set_defaults(run=_build)
    crate = commands.add_parser(
        "crate", help="ro-crate-metadata.json: all files with sizes and SHA-256, sources, licences"
    )
    add_settings(crate)
    add_output(crate, "ro-crate-metadata.json")
    crate.add_argument("--licence", default="", help="address of the licence of the results")
    crate.set_defaults(run=_crate)


def _build(args: argparse.Namespace) -> None:
    from tristream.config.settings.report import ReportSettings
    from tristream.report.build import build

    build(settings(args, ReportSettings).resolved(), args.output, args.code, args.workers)


def _crate(args: argparse.Namespace) -> None:
    from tristream.config.settings.report import ReportSettings
    from tristream.report.ro_crate import write_crate

    resolved = settings(args, ReportSettings).resolved()
    number = write_crate(resolved, args.output, args.licence)
    print(f"{args.output}: describes {number} files")
