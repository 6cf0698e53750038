"""What alignment and the sample index read of the study."""

from typing import TYPE_CHECKING, Literal, Self

from tristream.config.base import Label, Name
from tristream.config.runs import Exchange, Parts, Trims
from tristream.config.settings.base import Settings, named

if TYPE_CHECKING:
    from tristream.config.dataset import Dataset
    from tristream.config.load import Resolved


class AlignSettings(Settings):
    """One stimulus timeline of a dataset; `absent`: runs that no chosen subject has.

    `by_volume`: events are volumes of a table, whose features need not be taken to time.
    """

    timeline: Name
    absent: list[str]
    trims: Trims
    by_volume: bool = False

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `align features` reads."""
        dataset, timeline = targets["dataset"], targets["timeline"]
        about = named(resolved.datasets, dataset, "datasets")
        given = resolved.reference_runs(dataset, timeline)
        absent = [run for run in about.runs if run not in given]
        first = cls.from_descriptor(about, next(iter(given.values())))
        return first.model_copy(update={"absent": absent})

    @classmethod
    def from_descriptor(cls, dataset: "Dataset", subject: str) -> Self:
        """For runs of one subject alone, from a descriptor."""
        return cls(
            timeline=dataset.timeline_of(subject),
            absent=dataset.absent_of(subject),
            trims=dataset.trims,
            by_volume=dataset.layout.kind == "volume_table",
        )


class SamplesSettings(Settings):
    """The samples of one subject; `average`: repeats are averaged over runs of one split.

    `samples`: volumes within events, or all. `by_volume`: as of :class:`AlignSettings`.
    """

    subject: Label
    timeline: Name
    runs: list[str]
    absent: list[str]
    trims: Trims
    exchange: Exchange
    average: bool
    samples: Literal["events", "all"]
    by_volume: bool = False
    parts: Parts | None = None

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `align samples` reads."""
        dataset = named(resolved.datasets, targets["dataset"], "datasets")
        return cls.from_descriptor(dataset, targets["subject"])

    @classmethod
    def from_descriptor(cls, dataset: "Dataset", subject: str) -> Self:
        """The same, from a descriptor alone."""
        dataset.check_subject(subject)
        return cls(
            subject=subject,
            timeline=dataset.timeline_of(subject),
            runs=dataset.runs_of(subject),
            absent=dataset.absent_of(subject),
            trims=dataset.trims,
            exchange=dataset.exchange,
            average=dataset.trials is not None and dataset.trials.average_repeats == "split",
            samples=dataset.samples,
            by_volume=dataset.layout.kind == "volume_table",
            parts=dataset.parts,
        )
