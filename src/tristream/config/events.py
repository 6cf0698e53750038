"""How a dataset's events are to be read: files, tables, and the stimuli that they name."""

import re
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, field_validator

from tristream.config.base import LONGEST_TIME, Label, Name, Seconds, Section
from tristream.config.layouts import BetasLayout
from tristream.config.runs import Parts, runs_of

if TYPE_CHECKING:
    from tristream.config.dataset import Dataset

FIELD = re.compile(r"\{(\w+)(?::0(\d+))?\}")


class Shown(Section):
    """A film, sound or image of some runs whose events files do not name it, or are not there."""

    runs: str = Field(description="the runs, by a pattern: `task-film_*`; `*` for all")
    stimulus: Name = Field(description="a row of the stimulus table")
    onset: Seconds = Field(default=0.0, ge=0, description="second of the run at which it begins")
    media_start: Seconds = Field(
        default=0.0, ge=0, description="second of the film or sound that is shown then"
    )
    duration: Seconds | None = Field(
        default=None, gt=0, description="seconds; default: until the film or sound ends"
    )


class Events(Section):
    """Columns of the events files, and which rows are events, and which events are samples.

    An event that is *modelled* but is not a sample stays in the timeline, so that features and GLMs
    know what was shown; it is not counted, decoded or tested.
    """

    shown: list[Shown] = Field(
        default=[],
        description="what was shown in which runs, in place of events files, which then are not "
        "read and need not be there",
    )
    label: str | None = Field(
        default=None,
        description="column that says what was shown; default: `trial_type`, and where the "
        "stimulus table has a label, that",
    )
    stimulus: str = Field(
        default="{stim_file}",
        description="name of the stimulus, from columns: `{genre}.{track:05}` (zeros before)",
    )
    media_start: list[str] = Field(
        default=["media_start", "stim_start"],
        description="column with the second at which a film or sound is entered; the first there",
    )
    without_media_start: Literal["beginning", "run", "first", "continues"] | None = Field(
        default=None,
        description="where events without a media time enter their film or sound: at its "
        "`beginning`; it began with the `run`, or with its `first` event in the run; it "
        "`continues` where the event before left off. By default only events as long as their file "
        "are taken without one",
    )
    onset_shift: Seconds = Field(
        default=0.0,
        ge=-LONGEST_TIME,
        description="seconds that are added to every onset, where these count from another moment "
        "than the first volume that the images hold",
    )
    duration: Seconds | None = Field(
        default=None, gt=0, description="seconds of every event, where the column is wrong"
    )
    ignore: dict[str, list[str]] = Field(
        default={}, description="column to values: rows that are not events, as rest"
    )
    modelled: dict[str, list[str]] = Field(
        default={}, description="column to values: events that are modelled, but not samples"
    )
    carry_over: bool = Field(
        default=False, description="the first event of a run repeats the run before: not a sample"
    )
    overlap: Literal["later"] | None = Field(
        default=None,
        description="samples that overlap: by default they are refused, as a volume shows one of "
        "them; `later`: the later onset counts",
    )
    one_back: bool = Field(
        default=False, description="an event that repeats the one before it is not a sample"
    )

    @field_validator("stimulus")
    @classmethod
    def _template(cls, value: str) -> str:
        if not FIELD.search(value) or set("{}") & set(FIELD.sub("", value)):
            raise ValueError(f"{value!r} names no column: write it as `{{genre}}.{{track:05}}`")
        return value

    @property
    def label_column(self) -> str:
        """The column of labels."""
        return self.label or "trial_type"

    @property
    def named_columns(self) -> list[tuple[str, ...]]:
        """Columns that the descriptor names, of which files must have one each."""
        named: list[tuple[str, ...]] = [(one,) for one in (*self.ignore, *self.modelled)]
        # Where columns name stimuli, runs may lack labels, as those of ds001246 that show pictures;
        # without any, a decoder finds nothing to decode.
        if self.label and self.stimulus == type(self).model_fields["stimulus"].default:
            named.append((self.label,))
        for key in ("stimulus", "media_start"):
            if getattr(self, key) != type(self).model_fields[key].default:
                columns = self.stimulus_columns if key == "stimulus" else self.media_start
                named += [tuple(columns)] if key == "media_start" else [(one,) for one in columns]
        return list(dict.fromkeys(named))

    @property
    def stimulus_columns(self) -> list[str]:
        """Columns that the stimulus's name is made of."""
        return [match[1] for match in FIELD.finditer(self.stimulus)]


class Stimulus(Section):
    """One row of the stimulus table: what an events file calls it, and where it lies."""

    stimulus: Name = Field(description="its name in all tables and files")
    kind: Literal["film", "sound", "image"] = Field(description="what it is")
    path: str = Field(description="path inside the stimulus source")
    match: str = Field(default="", description="how events name it; default: path")
    label: str = Field(default="", description="what a decoder is to name, as its category")


class VolumeTable(Section):
    """Events from a table with one row a volume."""

    kind: Literal["volume_table"] = "volume_table"
    path: str
    rest: str
    tr: float


class ScanTable(Section):
    """Events from a table of one continuous scan that is cut into runs of `volumes`."""

    kind: Literal["scan"] = "scan"
    path: str
    columns: list[str]
    volumes: int
    tr: float


class TrialTable(Section):
    """Events from a table of trials whose responses are given; see :class:`BetasLayout`."""

    kind: Literal["betas"] = "betas"
    path: str
    run: str
    session: str

    @classmethod
    def of(cls, layout: BetasLayout) -> Self:
        """Of a layout."""
        return cls(path=layout.trials, run=layout.run, session=layout.session)


class EventReading(Section):
    """All of a descriptor that says what was shown when: what a job needs to read events."""

    dataset: Name
    runs: list[str]
    missing: dict[Label, list[str]]
    events: Events
    stimuli: list[Stimulus]
    parts: Parts | None = None
    table: VolumeTable | ScanTable | TrialTable | None = Field(default=None, discriminator="kind")

    @classmethod
    def of(cls, dataset: "Dataset") -> Self:
        """Pick from a descriptor; without a table each run has a BIDS events file."""
        layout = dataset.layout
        table: VolumeTable | ScanTable | TrialTable | None = None
        if layout.kind == "volume_table":
            table = VolumeTable(path=layout.table, rest=layout.rest, tr=dataset.tr)
        elif layout.kind == "scan":
            table = ScanTable(
                path=layout.events, columns=layout.columns, volumes=layout.volumes, tr=dataset.tr
            )
        elif layout.kind == "betas":
            table = TrialTable.of(layout)
        return cls(
            dataset=dataset.id,
            runs=dataset.runs,
            missing=dataset.missing,
            events=dataset.events,
            stimuli=dataset.stimuli.table,
            parts=dataset.parts,
            table=table,
        )

    def runs_of(self, subject: str) -> list[str]:
        """Runs that `subject` has."""
        return runs_of(self.runs, self.missing, subject)
