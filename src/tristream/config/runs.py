"""A descriptor's runs: which there are, which are held out, what is permuted and left out."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from tristream.config.base import Seconds, Section, expand


class Split(Section):
    """How runs are held out.

    ``holdout``: runs that match one of the `test` patterns (``task-test_*``) are the test set;
    test runs that show the same stimuli at the same times are repeats of each other.
    ``leave-one-run-out``: every run is the test run once; hyperparameters are searched inside.
    """

    scheme: Literal["holdout", "leave-one-run-out"] = Field(description="how runs are held out")
    test: list[str] = Field(
        default=[], description="patterns of test runs (holdout); `run-{1..3}` is expanded"
    )

    @field_validator("test", mode="after")
    @classmethod
    def _expand(cls, value: list[str]) -> list[str]:
        return expand(value)

    @model_validator(mode="after")
    def _test_belongs_to_holdout(self) -> "Split":
        if (self.scheme == "holdout") != bool(self.test):
            raise ValueError("scheme holdout needs `test` patterns; leave-one-run-out takes none")
        return self

    def is_test(self, run: str) -> bool:
        """Whether `run` is held out (always false for leave-one-run-out)."""
        return any(fnmatchcase(run, pattern) for pattern in self.test)


ExchangeUnit = Literal["block", "round", "item", "time"]


class Exchange(Section):
    """The unit that may be permuted under the null hypothesis.

    ``block``: consecutive events of one label with pauses shorter than `pause` between them;
    ``round``: such blocks, put in random order round by round, each label once in each round;
    ``item``: an item with all its showings, alike in all runs; ``time``: intervals of `seconds`
    (films). It is what was put in random order: of words that were shown in groups of one
    condition, the group.
    """

    unit: ExchangeUnit = Field(description="what may be permuted")
    within: Literal["run"] = Field(default="run", description="permutations never leave a run")
    seconds: Seconds = Field(default=20.0, ge=20.0, description="length of an interval of time")
    # The haemodynamic response does not distinguish events with a shorter one between them.
    pause: Seconds = Field(
        default=4.0,
        gt=0,
        description="seconds between two events of one label from which these are two blocks",
    )


class Trims(Section):
    """Volumes to drop at the start and end of each run (dummy scans)."""

    start: int = Field(default=0, ge=0, description="volumes dropped at the start")
    end: int = Field(default=0, ge=0, description="volumes dropped at the end")


PART = re.compile(r"_part-(train|test|[0-9]+)$")
"""How the name of a part of a run ends. BIDS knows other values of ``part``."""


class Parts(Section):
    """Each run taken in parts, each of which stands for a run and is named by `split.test`.

    With `times`, a run is cut: ``RUN_part-1`` until the first of them, and so on; the `gap` after
    each cut belongs to no part. With `items`, the run's trials are dealt out: ``RUN_part-test`` has
    those that match as samples, ``RUN_part-train`` all others, but for those within `gap` of one
    that tests; both know all events, and both read the whole BOLD.
    """

    times: list[Seconds] = Field(default=[], description="seconds of the run at which it is cut")
    items: dict[str, list[str]] = Field(
        default={}, description="column of the events to the values of test trials"
    )
    gap: Seconds = Field(default=20.0, ge=0, description="seconds that are left out; see above")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.times) == bool(self.items):
            raise ValueError("give one of `times` and `items`")
        bounds = [0.0, *self.times]
        if any(b <= a + self.gap * (a > 0) for a, b in zip(bounds, self.times, strict=False)):
            raise ValueError("`times` rise, by more than `gap`")
        return self

    @property
    def names(self) -> list[str]:
        """What is appended to the name of a run, part by part."""
        if self.items:
            return ["_part-train", "_part-test"]
        return [f"_part-{n + 1}" for n in range(len(self.times) + 1)]

    def window(self, run: str) -> tuple[float, float]:
        """Seconds of the whole run at which a part begins and ends."""
        part = PART.search(run)
        if part is None or not self.times:
            return 0.0, float("inf")
        number = int(part[1])
        begin = self.times[number - 2] + self.gap if number > 1 else 0.0
        return begin, [*self.times, float("inf")][number - 1]


def whole_run(run: str) -> str:
    """The run that files are named by, of a part."""
    return PART.sub("", run)


def runs_of(runs: Sequence[str], missing: Mapping[str, Sequence[str]], subject: str) -> list[str]:
    """Those of a dataset's runs that `subject` has; `missing` may hold patterns."""
    gone = missing.get(subject, [])
    return [
        run
        for run in runs
        if not any(fnmatchcase(name, p) for name in (run, whole_run(run)) for p in gone)
    ]
