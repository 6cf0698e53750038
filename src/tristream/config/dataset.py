"""A dataset descriptor: ``workflow/datasets/<id>.yaml``."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from tristream.config.base import Label, Name, RepetitionTime, Section, expand
from tristream.config.events import Events, Stimulus
from tristream.config.layouts import Layout
from tristream.config.runs import PART, Exchange, Parts, Split, Trims, runs_of
from tristream.config.sources import (
    ArchiveSource,
    DataladSource,
    DatasetSource,
    FolderSource,
    OsfSource,
    Source,
)
from tristream.config.trials import Trials
from tristream.errors import UserError


class Stimuli(Section):
    """Where the stimuli are, and which. Without it, the items are the labels of the events.

    Stimuli that the dataset may not ship have a table and no source: the user names the folder in
    config.yaml (``datasets.<id>.stimuli``), and `get` says where they can be had.
    """

    source: ArchiveSource | DataladSource | DatasetSource | FolderSource | OsfSource | None = Field(
        default=None,
        discriminator="kind",
        description="where the media lie; `{kind: dataset}`: in the dataset itself, at `path`",
    )
    get: str = Field(default="", description="where the user gets them, if there is no source")
    table: list[Stimulus] = Field(
        default=[],
        description="one row a film, sound or image; or a TSV of these columns beside this file",
    )

    known_leaks: list[str] = Field(
        default=[],
        description="what is known to tie test stimuli to others' training; the audit repeats it",
    )

    @model_validator(mode="after")
    def _complete(self) -> "Stimuli":
        if self.source is not None and not self.table:
            raise ValueError("source without table: name the stimuli that lie there")
        if self.table and self.source is None and not self.get:
            raise ValueError("table without source: say in `get` where the user finds the stimuli")
        names = [row.stimulus for row in self.table]
        if len(set(names)) < len(names):
            raise ValueError("two rows of the table have the same stimulus name")
        return self


class Size(Section):
    """How large the data are, for estimates of memory and time before any file is here."""

    volumes: int | None = Field(default=None, ge=1, description="volumes of a run")
    voxels: int | None = Field(default=None, ge=1, description="voxels that are analysed")


class Published(Section):
    """A number that others published of the dataset, read in its source."""

    measure: Literal["pairwise", "best", "top5"] = Field(
        description="share of wrong candidates that are less alike; of items named right; of items "
        "with the right candidate among five"
    )
    candidates: int = Field(ge=2, description="among how many an item is identified")
    value: float = Field(ge=0, le=1, description="the number")
    spread: str = Field(default="", description="as its source gives it, `± .015`")
    how: str = Field(min_length=1, description="features, decoder, what differs")
    source: str = Field(min_length=1, description="where it was read")
    comparable: str = Field(min_length=1, description="how far it compares with one's own")


class Dataset(Section):
    """Everything the workflow knows of a dataset before it has been fetched."""

    id: Name = Field(description="equals the file's name")
    title: str = Field(description="what the report calls it")
    licence: str = Field(description="licence of data and stimuli")
    citation: str = Field(description="how to cite the data")
    credit: str = Field(default="", description="credit that the licence asks for")
    published: list[Published] = Field(
        default=[],
        description="published numbers of identification, shown beside one's own; or a TSV of "
        "these columns beside this file",
    )
    source: Source = Field(description="where the data come from")
    layout: Layout = Field(description="how the files are laid out")
    tr: RepetitionTime = Field(description="repetition time in seconds, checked against the data")
    subjects: list[Label] = Field(min_length=1, description="labels; `{01..05}` is expanded")
    runs: list[str] = Field(
        min_length=1,
        description="runs by their entities, `task-film_run-{1..8}`; or a TSV beside this file of "
        "the runs that exist: columns subject and runs (parted by blanks)",
    )
    parts: Parts | None = Field(
        default=None, description="runs in parts: cut in time, or by what trials test"
    )
    size: Size | None = Field(
        default=None,
        description="how large the data are, for estimates of memory before files are here",
    )
    derivatives: DataladSource | FolderSource | None = Field(
        default=None,
        discriminator="kind",
        description="preprocessed data that are a dataset of their own, put at layout.derivatives; "
        "a folder is read where it is",
    )
    missing: dict[Label, list[str]] = Field(
        default={}, description="runs that a subject does not have; `ses-03_*` for several"
    )
    timelines: dict[Name, list[Label]] | Literal["own"] = Field(
        default={},
        description="who saw the same events at the same times; default: all; own: nobody",
    )
    events: Events = Field(default=Events(), description="how events files are read")
    stimuli: Stimuli = Field(default=Stimuli(), description="films, sounds, images")
    split: Split = Field(description="training and test runs")
    exchange: Exchange = Field(description="the exchangeable unit of permutation tests")
    samples: Literal["events", "all"] = Field(
        default="events",
        description="volumes that are samples: those within events, or all; those between events "
        "then change places with the event before",
    )
    trims: Trims = Field(default=Trims(), description="volumes to leave out")
    trials: Trials | None = Field(
        default=None, description="one row a trial instead of one a volume"
    )

    @field_validator("missing", mode="before")
    @classmethod
    def _expand_missing(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {k: expand(v) if isinstance(v, list) else v for k, v in value.items()}

    @field_validator("runs", "subjects", mode="before")
    @classmethod
    def _expand(cls, value: object) -> object:
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            return expand(value)
        return value

    @model_validator(mode="before")
    @classmethod
    def _in_parts(cls, value: object) -> object:
        """Each run is replaced by its parts."""
        if not isinstance(value, dict) or not value.get("parts"):
            return value
        parts, runs = Parts.model_validate(value["parts"]), value.get("runs")
        if not isinstance(runs, list) or not all(isinstance(run, str) for run in runs):
            return value
        if any(map(PART.search, runs)):
            return value
        return {**value, "runs": [f"{run}{name}" for run in expand(runs) for name in parts.names]}

    @model_validator(mode="before")
    @classmethod
    def _of_betas(cls, value: object) -> object:
        """Betas have no repetition time; their rows are trials, and their table has columns."""
        layout = value.get("layout") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(layout, dict):
            return value
        if layout.get("kind") != "betas":
            return value
        events = value.get("events") or {}
        if isinstance(events, dict):
            events = {"stimulus": "{stimulus}", "label": "label", **events}
        return {"tr": 1.0, "trials": {"estimate": "given"}, **value, "events": events}

    @field_validator("timelines", mode="before")
    @classmethod
    def _expand_timelines(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {
            k: expand(v) if isinstance(v, list) and all(isinstance(s, str) for s in v) else v
            for k, v in value.items()
        }

    @model_validator(mode="after")
    def _possible(self) -> "Dataset":
        if self.parts and self.layout.kind in ("volume_table", "scan"):
            raise ValueError("parts: runs of one image are cut by its table; leave `parts` out")
        stimuli = {row.stimulus for row in self.stimuli.table}
        for shown in self.events.shown:
            if shown.stimulus not in stimuli:
                raise ValueError(f"events.shown: no stimulus {shown.stimulus!r} in stimuli.table")
        if self.split.scheme == "holdout":
            test = [run for run in self.runs if self.split.is_test(run)]
            if not test:
                raise ValueError(f"split.test: no run matches {self.split.test}")
            if len(test) == len(self.runs):
                raise ValueError("split.test: every run is a test run; nothing is left to train on")
        elif len(self.runs) < 3:
            raise ValueError("split: leave-one-run-out needs at least 3 runs")
        if self.trials and self.trials.average_repeats == "split":
            if self.split.scheme != "holdout":
                raise ValueError(
                    "trials.average_repeats: split needs `scheme: holdout`: where each run is "
                    "tested in turn, an average over runs would hold training and test data"
                )
            if self.trials.scale != "training":
                raise ValueError("trials.average_repeats: split needs `scale: training`")
        if self.chosen_trials and self.split.scheme != "holdout":
            raise ValueError(
                "trials.estimate: glmsingle needs `scheme: holdout`: it chooses by training runs, "
                "and where each run is tested in turn there is none; write `lss`"
            )
        if self.trials and self.samples == "all":
            raise ValueError("samples: all: rows are trials, so there are no volumes between them")
        self._check_betas()
        groups = {} if self.timelines == "own" else self.timelines
        listed = [s for subjects in groups.values() for s in subjects]
        if groups and sorted(listed) != sorted(self.subjects):
            raise ValueError("timelines: each subject must stand in exactly one of them")
        return self

    def _check_betas(self) -> None:
        """Refuse what makes no sense where responses to trials are given, or are not."""
        given = self.trials is not None and self.trials.estimate == "given"
        if self.layout.kind != "betas":
            if given:
                raise ValueError("trials.estimate: given is for `layout: {kind: betas}`")
            return
        wrong = {
            "trials.estimate: betas are estimates; write `given`, or leave `trials` out": not given,
            "exchange.unit: betas have no times; write `item` or `block`": self.exchange.unit
            == "time",
            "trims: betas have no volumes to leave out": bool(self.trims.start or self.trims.end),
            "events.shown: the table of trials says what was shown": bool(self.events.shown),
            "events.onset_shift: betas have no times; leave it out": bool(self.events.onset_shift),
            "events.without_media_start: betas have no times; write `beginning`": (
                self.events.without_media_start in ("run", "first", "continues")
            ),
            "parts.times: betas have no times; deal trials out by `items`": bool(
                self.parts and self.parts.times
            ),
            "parts.gap: betas have no times; write `gap: 0`": bool(self.parts and self.parts.gap),
        }
        if why := next((text for text, holds in wrong.items() if holds), None):
            raise ValueError(why)

    @property
    def chosen_trials(self) -> bool:
        """Whether estimates of trials rest on choices that a subject's training runs make."""
        return self.trials is not None and self.trials.estimate == "glmsingle"

    @property
    def space(self) -> str | None:
        """The space that the layout says the BOLD lies in."""
        return getattr(self.layout, "space", None)

    def runs_of(self, subject: str) -> list[str]:
        """Runs that `subject` has."""
        return runs_of(self.runs, self.missing, subject)

    def absent_of(self, subject: str) -> list[str]:
        """Runs that `subject` does not have."""
        return [run for run in self.runs if run not in self.runs_of(subject)]

    def check_subject(self, subject: str) -> None:
        """Refuse a subject that the dataset does not have, with a UserError."""
        if subject not in self.subjects:
            known = ", ".join(self.subjects)
            raise UserError(f"{self.id}: there is no subject {subject!r}; it has {known}")

    def timeline_of(self, subject: str) -> str:
        """Name of the stimulus timeline that `subject` saw; ``main`` unless stated."""
        if self.timelines == "own":
            return f"sub{subject}"
        for name, subjects in self.timelines.items():
            if subject in subjects:
                return name
        return "main"
