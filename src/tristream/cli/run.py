"""``tristream run``: snakemake, with a lock that dies with the process."""

import argparse
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tristream.cli.common import add_stage
from tristream.errors import UserError
from tristream.paths import open_unlinked

# Seconds that interrupted jobs have to end by themselves.
PATIENCE = 30.0

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
    """Run the study that the arguments name."""
    return run_study(args.config, args.cores, args.snakemake)


def run_study(
    config: str, cores: str, more: Sequence[str] = (), targets: Sequence[str] = ()
) -> int:
    """Check the study, take the lock, clear what a killed run left, call snakemake.

    Parameters
    ----------
    config : str
        The study's file.
    cores : str
        A number, or ``all``.
    more : sequence of str
        More arguments for snakemake.
    targets : sequence of str
        Files of the results to make; by default all of the study.

    Returns
    -------
    int
        The exit status of snakemake.
    """
    from tristream.config.load import load_study

    results = Path(load_study(config).results)
    with lock(results) as held:
        call = [sys.executable, "-m", "snakemake", "--cores", str(cores)]
        call += ["--configfile", config, *more]
        # Without a lock of ours, that of Snakemake may be another run's.
        if held and any(Path(".snakemake/locks").glob("*")):
            unlocked = subprocess.run([*call, "--unlock"], capture_output=True, text=True)
            if unlocked.returncode:
                print(unlocked.stderr, file=sys.stderr)
                return unlocked.returncode
        # The targets come after a flag: an option before them would take them for its own.
        call += ["--rerun-incomplete", "--show-failed-logs", *targets]
        # Rules call `python`: it must be the one that runs this, activated or not.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        # The lock's descriptor goes to snakemake too: if only this process is killed, the results
        # folder stays locked for as long as snakemake works in it.
        return supervise(call, {**os.environ, "PATH": path}, [held.fileno()] if held else [])


@contextmanager
def lock(results: Path) -> Iterator[IO[str] | None]:
    """Hold the results folder; yields None, and says so, where the file system has no locks.

    Raises
    ------
    UserError
        If another run holds it (the error names it), if the folder can't be written to, or if the
        lock is a link.
    """
    import fcntl

    try:
        results.mkdir(parents=True, exist_ok=True)
        file = open_unlinked(results / ".lock", "a+", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{results}: can't be written to ({error.strerror}); make it writable, or name another "
            "folder by `results:` in config.yaml"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                file.seek(0)
                raise UserError(
                    f"{results}: another run is at work in this folder "
                    f"({file.read().strip() or 'it did not say which'}); wait for it, or stop it "
                    "first"
                ) from None
            print(
                f"tristream: {results}: this file system has no locks ({error.strerror}); make "
                "sure that no other run is at work in this folder",
                file=sys.stderr,
            )
            yield None
            return
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield file


def supervise(call: Sequence[str], environment: Mapping[str, str], keep: Sequence[int]) -> int:
    """Run snakemake so that a signal to stop reaches its jobs, too, and leaves none at work.

    The first SIGINT, SIGTERM or SIGHUP interrupts all; a second one, or `PATIENCE` seconds, kill.

    Parameters
    ----------
    call : sequence of str
        The command.
    environment : mapping of str to str
        Of the command.
    keep : sequence of int
        File descriptors that it inherits.

    Returns
    -------
    int
        Its exit status; after a signal 128 plus the signal's number.
    """
    started: list[subprocess.Popen[bytes]] = []
    asked: list[tuple[int, float]] = []

    def stop(number: int, _: object) -> None:
        asked.append((number, time.monotonic()))
        _signal_group(started, signal.SIGINT if len(asked) == 1 else signal.SIGKILL)

    stops = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # A hangup under `nohup` and Ctrl-C in the background are ignored, and stay so; but snakemake,
    # which inherits what is ignored, must hear the interrupts that are sent to it from here.
    deaf = [number for number in stops if signal.getsignal(number) is signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in stops if number not in deaf}
    if signal.SIGINT in deaf:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        # A group of its own: what Ctrl-C sends to a terminal's group would reach jobs twice.
        process = subprocess.Popen(call, env=environment, pass_fds=keep, process_group=0)
        started.append(process)
        if asked:
            _signal_group(started, signal.SIGINT)
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
            if asked and time.monotonic() - asked[0][1] > PATIENCE:
                _signal_group(started, signal.SIGKILL)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if not asked:
        return process.returncode
    _signal_group(started, signal.SIGKILL)
    return _stopped(asked[0][0])


def _stopped(number: int) -> int:
    name = signal.Signals(number).name
    print(f"tristream: stopped by {name}; the same command goes on from here", file=sys.stderr)
    return 128 + number


def _signal_group(started: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    """To snakemake and all that it started; perhaps none is left."""
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
