"""``tristream init``: a study folder to begin with."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_stage

EXAMPLES = """\
  tristream init my_study                                # of a small real dataset
  tristream init my_study --dataset ds000105             # of one whose descriptor ships
  tristream init my_study --dataset my_dataset.yaml      # of one that `describe` described
  tristream init demo --demo                             # the demo: three streams, all stages
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    parser = add_stage(
        stages, "init", "Write a study folder: Snakefile, config.yaml, descriptor.", EXAMPLES
    )
    parser.add_argument("folder", type=Path, help="the folder; nothing in it is overwritten")
    of = parser.add_mutually_exclusive_group()
    of.add_argument("--dataset", help="a descriptor's file, or the id of one that ships")
    of.add_argument("--demo", action="store_true", help="the demo study")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the folder, and say what comes next."""
    from tristream.describe.study_folder import make_demo, make_study

    if args.demo:
        make_demo(args.folder)
        asked, written = [], "Snakefile, config.yaml and .gitignore"
    else:
        asked = make_study(args.folder, args.dataset)
        written = "Snakefile, config.yaml, .gitignore and workflow/datasets/"
    print(f"{args.folder}: {written} were written")
    if asked:
        print("Answer before anything runs:\n" + "\n".join(f"  {line}" for line in asked))
    print(f"Next: cd {args.folder}; tristream plan; tristream run")
