"""``python -m tristream STAGE``: what the workflow's rules call, and what a user can call too.

Each stage has a module here with ``register(subparsers)``; nothing heavy is imported before a
stage runs, so ``--help`` answers at once.
"""

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tristream import __version__
from tristream.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)

STAGES = (
    "describe",
    "init",
    "plan",
    "run",
    "bids",
    "config",
    "simulate",
    "fetch",
    "weights",
    "stimuli",
    "features",
    "genre",
    "bold",
    "align",
    "encode",
    "predict",
    "decode",
    "contrast",
    "rsa",
    "inference",
    "power",
    "maps",
    "report",
)


def parser(stages: Sequence[str] = STAGES) -> argparse.ArgumentParser:
    """The command line, whole or of some stages."""
    top = argparse.ArgumentParser(prog="tristream", description=__doc__.split("\n")[0])
    top.add_argument("--version", action="version", version=__version__)
    actions = top.add_subparsers(title="stages", dest="stage", metavar="STAGE", required=True)
    for stage in stages:
        import_module(f"tristream.cli.{stage}").register(actions)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command; a mistake of the user's is one line and status 2."""
    given = sys.argv[1:] if argv is None else argv
    # A job does not wait for the command lines of other stages.
    named = [stage for stage in STAGES if stage in given[:1]]
    try:
        args = parser(named or STAGES).parse_args(given)
        status = args.run(args) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # `tristream plan | head`: who reads has enough. Python would complain again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except UserError as error:
        message = str(error)
    except OSError as error:
        if error.errno not in FULL:
            raise
        message = (
            f"{error.filename or 'a file'}: can't be written ({error.strerror}); make room there "
            "and run again: what was finished is kept"
        )
    except ModuleNotFoundError as error:
        if not _lacks_extra(error):
            raise
        message = (
            f"{error}: commands need the extra `workflow`; run `pip install 'tristream[workflow]'`"
        )
    print(f"tristream: error: {message}", file=sys.stderr)
    return 2


def _lacks_extra(error: ModuleNotFoundError) -> bool:
    """Whether it was this package that looked for a package of someone else's."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    ours = Path(frame.f_code.co_filename).is_relative_to(Path(__file__).parents[1])
    return ours and not (error.name or "").startswith("tristream.")
