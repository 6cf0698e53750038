"""Power analyses of studies still to be scanned: the ``power:`` blocks of ``config.yaml``."""

from fnmatch import fnmatchcase
from glob import glob, has_magic
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from tristream.config.base import RepetitionTime, Seconds, Section
from tristream.config.delays import Delays, in_volumes
from tristream.config.models import Alphas
from tristream.config.runs import Exchange
from tristream.errors import UserError

Files = list[str]


class Power(Section):
    """A design to be tried on simulated BOLD: events or aligned features, and guesses.

    A design is a BIDS events file for each run (`events`, with `tr`), or files of aligned features
    of a study that there is already (`aligned`). Runs that match a `test` pattern are held out;
    test runs that show the same are repeats, and averaged. How strict the correction is follows
    from `voxels` and `driven`: of a region of interest take its own.
    """

    events: Files = Field(
        default=[], description="events files of one subject, one a run; `*` and `**` as in a shell"
    )
    aligned: Files = Field(
        default=[], description="instead of events: aligned features, `results/align/…/LAYER.h5`"
    )
    test: list[str] = Field(
        min_length=1, description="patterns of test runs, as `task-test_*`; names without sub-…_"
    )
    tr: RepetitionTime | None = Field(default=None, description="repetition time (s); for events")
    volumes: int | None = Field(
        default=None, ge=8, description="of each run; default: 10 s after its last event"
    )
    label: str = Field(default="trial_type", description="column that says what was shown")
    duration: Seconds | None = Field(
        default=None, gt=0, description="seconds of every event, in place of the column"
    )
    ignore: dict[str, list[str]] = Field(
        default={}, description="column to values: rows that are not events, as rest"
    )
    exchange: Exchange | None = Field(
        default=None, description="what is permuted; default: block for events, time for aligned"
    )
    effects: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default=[0.1, 0.2, 0.3, 0.4],
        min_length=1,
        description="guesses: ceiling r of a driven voxel in one run",
    )
    runs: list[Annotated[float, Field(gt=0)]] = Field(
        default=[0.5, 1.0, 1.5, 2.0],
        min_length=1,
        description="training runs, as a multiple of those given",
    )
    repeats: list[Annotated[int, Field(ge=1)]] = Field(
        default=[1, 2], min_length=1, description="how many times as often test runs are shown"
    )
    subjects: list[Annotated[int, Field(ge=8)]] = Field(
        default=[8, 16], description="subjects of the group test (sign flips, from 8 on)"
    )
    voxels: int = Field(
        default=20_000, ge=20, description="voxels a subject: all are corrected for"
    )
    driven: float = Field(default=0.01, gt=0, lt=1, description="share of them that is driven")
    simulated: int = Field(
        default=50, ge=10, description="simulated voxels of either kind, which stand for all"
    )
    autocorrelation: float = Field(
        default=0.4, ge=0, lt=1, description="of the noise, from one volume to the next"
    )
    realisations: int = Field(default=8, ge=2, description="simulated subjects a point")
    delays: Delays = Field(default=["2-9 s"], description="of the FIR model, as in `models`")
    alphas: Alphas = Field(
        default=Alphas(lowest=-2, highest=5, number=8), description="grid of ridge penalties"
    )
    shift: Seconds = Field(
        default=4.0, ge=0, description="seconds from a trial's onset to what a decoder is given"
    )
    permutations: int = Field(
        default=100, ge=0, description="of the decoder's labels; encoders take `inference`"
    )
    seed: int = Field(default=0, description="of all that is random")

    @field_validator("events", "aligned", "test", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("effects", "runs", "repeats", "subjects")
    @classmethod
    def _rising(cls, value: list) -> list:
        return sorted(set(value))

    @model_validator(mode="after")
    def _one_design(self) -> "Power":
        if bool(self.events) == bool(self.aligned):
            raise ValueError("give either `events` (files of one subject) or `aligned`")
        if self.events and self.tr is None:
            raise ValueError("tr: events files don't say it; give the repetition time in seconds")
        if self.aligned and self.exchange and self.exchange.unit != "time":
            raise ValueError("exchange: aligned features have no blocks or items; leave it out")
        if not 1 <= self.driven_voxels < self.voxels:
            raise ValueError("driven: leaves no driven voxel, or none without signal")
        return self

    @property
    def driven_voxels(self) -> int:
        """How many voxels of a subject follow the stimulus."""
        return round(self.voxels * self.driven)

    @property
    def simulated_voxels(self) -> tuple[int, int]:
        """How many voxels without and with signal are simulated for a subject."""
        silent = self.voxels - self.driven_voxels
        return min(silent, self.simulated), min(self.driven_voxels, self.simulated)

    @property
    def permuted(self) -> Exchange:
        """The exchangeable unit."""
        return self.exchange or Exchange(unit="block" if self.events else "time")

    def delays_at(self, tr: float) -> list[int]:
        """Delays in volumes of `tr` seconds."""
        return in_volumes(self.delays, tr)

    def is_test(self, run: str) -> bool:
        """Whether a run is held out."""
        return any(fnmatchcase(run, pattern) for pattern in self.test)

    def files(self, name: str) -> list[str]:
        """The design's files, in order; aligned features named in full may still be to be made.

        Parameters
        ----------
        name : str
            Of the block, for messages.

        Raises
        ------
        UserError
            If a pattern matches nothing.
        """
        key = "events" if self.events else "aligned"
        found: dict[str, None] = {}
        for pattern in self.events or self.aligned:
            if self.aligned and not has_magic(pattern):
                found[pattern] = None
                continue
            matched = sorted(p for p in glob(pattern, recursive=True) if Path(p).is_file())
            if not matched:
                raise UserError(
                    f"power.{name}.{key}: no file matches {pattern!r}; correct it: it is "
                    "relative to the folder that the command runs in"
                )
            found |= dict.fromkeys(matched)
        return list(found)
