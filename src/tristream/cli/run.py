"""``tristream run``: snakemake, with a lock that dies with the process."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from tristream.cli.common import add_stage
from tristream.errors import UserError

EXAMPLES = """\
  tristream run --cores 4
  tristream run --cores 4 --config mine.yaml -- --dry-run
  tristream run --cores 1 -- --profile workflow/profiles/slurm --jobs 50
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    parser = add_stage(
        stages, "run", "Run the workflow; after a kill, the same command goes on.", EXAMPLES
    )
    parser.add_argument("--config", default="config.yaml", help="the study (default: config.yaml)")
    parser.add_argument("--cores", default="all", help="number of cores, or all (default)")
    parser.add_argument("snakemake", nargs="*", help="after --: more arguments for snakemake")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the study, take the lock, clear what a killed run left, call snakemake."""
    from tristream.config.load import load_study

    results = Path(load_study(args.config).results)
    with lock(results) as held:
        call = [sys.executable, "-m", "snakemake", "--cores", str(args.cores)]
        call += ["--configfile", args.config, *args.snakemake]
        if any(Path(".snakemake/locks").glob("*")):
            unlocked = subprocess.run([*call, "--unlock"], capture_output=True, text=True)
            if unlocked.returncode:
                print(unlocked.stderr, file=sys.stderr)
                return unlocked.returncode
        call += ["--rerun-incomplete", "--show-failed-logs"]
        # Rules call `python`: it must be the one that runs this, activated or not.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        environment = {**os.environ, "PATH": path}
        # The lock's descriptor goes to snakemake too: if only this process is killed, the results
        # folder stays locked for as long as snakemake works in it.
        return subprocess.run(call, pass_fds=[held.fileno()], env=environment).returncode


def lock(results: Path) -> IO[str]:
    """Hold the results folder.

    Raises
    ------
    UserError
        If another run holds it.
    """
    import fcntl

    results.mkdir(parents=True, exist_ok=True)
    file = (results / ".lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise UserError(
            f"{results}: another run is at work in this folder; wait for it, or stop it first"
        ) from None
    return file
