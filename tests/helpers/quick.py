"""``pytest --quick SECONDS``: no test begins after that, and none takes more than a third of it.

For `make check`, which answers within a minute whatever was changed; `make test` runs everything.
What is left out is a skip whose reason says so.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

BEGUN = time.monotonic()


def add_option(parser: pytest.Parser) -> None:
    """Add ``--quick``."""
    parser.addoption("--quick", type=float, metavar="SECONDS", help="leave out what takes longer")


@contextmanager
def limit(item: pytest.Item) -> Iterator[None]:
    """Skip the test whose set-up or call is within, if it is late or takes too long."""
    seconds = item.config.getoption("--quick")
    if not seconds:
        yield
        return
    if time.monotonic() - BEGUN > seconds:
        pytest.skip("left to `make test`: the time of a quick check is up")

    def stop(*_: Any) -> None:
        pytest.skip("left to `make test`: too slow for a quick check")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds / 3)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
