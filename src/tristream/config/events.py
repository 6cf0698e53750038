"""How a dataset's events files are to be read."""

import re

from pydantic import Field, field_validator

from tristream.config.base import Section

FIELD = re.compile(r"\{(\w+)(?::0(\d+))?\}")


class Events(Section):
    """Columns of the events files, and which rows are events, and which events are samples.

    An event that is *modelled* but is no sample stays in the timeline, so that features and GLMs
    know what was shown; it is not counted, decoded or tested.
    """

    label: str = Field(default="trial_type", description="column that says what was shown")
    stimulus: str = Field(
        default="{stim_file}",
        description="name of the stimulus, from columns: `{genre}.{track:05}` (zeros before)",
    )
    media_start: list[str] = Field(
        default=["media_start", "stim_start"],
        description="column with the second at which a film or sound is entered; the first there",
    )
    duration: float | None = Field(
        default=None, gt=0, description="seconds of every event, where the column is wrong"
    )
    ignore: dict[str, list[str]] = Field(
        default={}, description="column to values: rows that are no events, as rest"
    )
    modelled: dict[str, list[str]] = Field(
        default={}, description="column to values: events that are modelled, but no samples"
    )
    carry_over: bool = Field(
        default=False, description="the first event of a run repeats the run before: no sample"
    )
    one_back: bool = Field(
        default=False, description="an event that repeats the one before it is no sample"
    )

    @field_validator("stimulus")
    @classmethod
    def _template(cls, value: str) -> str:
        if not FIELD.search(value) or set("{}") & set(FIELD.sub("", value)):
            raise ValueError(f"{value!r} names no column: write it as `{{genre}}.{{track:05}}`")
        return value

    @property
    def stimulus_columns(self) -> list[str]:
        """Columns that the stimulus's name is made of."""
        return [match[1] for match in FIELD.finditer(self.stimulus)]
