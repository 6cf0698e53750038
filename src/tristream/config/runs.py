"""A descriptor's runs: which there are, which are held out, what is permuted and left out."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import Field, model_validator

from tristream.config.base import Section


class Split(Section):
    """How runs are held out.

    ``holdout``: runs that match one of the `test` patterns (``task-test_*``) are the test set;
    test runs that show the same stimuli at the same times are repeats of each other.
    ``leave-one-run-out``: every run is the test run once; hyperparameters are searched inside.
    """

    scheme: Literal["holdout", "leave-one-run-out"] = Field(description="how runs are held out")
    test: list[str] = Field(default=[], description="patterns of test runs (holdout)")

    @model_validator(mode="after")
    def _test_belongs_to_holdout(self) -> "Split":
        if (self.scheme == "holdout") != bool(self.test):
            raise ValueError("scheme holdout needs `test` patterns; leave-one-run-out takes none")
        return self

    def is_test(self, run: str) -> bool:
        """Whether `run` is held out (always false for leave-one-run-out)."""
        return any(fnmatchcase(run, pattern) for pattern in self.test)


class Exchange(Section):
    """The unit that may be permuted under the null hypothesis.

    ``block``: consecutive events of one label with pauses shorter than `pause` between them;
    ``item``: an item with all its showings, alike in all runs; ``time``: intervals of `seconds`
    (films). It is what was put in random order: of words that were shown in groups of one
    condition, the group.
    """

    unit: Literal["block", "item", "time"] = Field(description="what may be permuted")
    within: Literal["run"] = Field(default="run", description="permutations never leave a run")
    seconds: float = Field(default=20.0, ge=20.0, description="length of an interval of time")
    # The haemodynamic response does not distinguish events with a shorter one between them.
    pause: float = Field(
        default=4.0,
        gt=0,
        description="seconds between two events of one label from which these are two blocks",
    )


class Trims(Section):
    """Volumes to drop at the start and end of each run (dummy scans)."""

    start: int = Field(default=0, ge=0, description="volumes dropped at the start")
    end: int = Field(default=0, ge=0, description="volumes dropped at the end")


def runs_of(runs: Sequence[str], missing: Mapping[str, Sequence[str]], subject: str) -> list[str]:
    """Those of a dataset's runs that `subject` has; `missing` may hold patterns."""
    gone = missing.get(subject, [])
    return [run for run in runs if not any(fnmatchcase(run, pattern) for pattern in gone)]
