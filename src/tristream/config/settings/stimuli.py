"""What the inventory and the leakage audit read of the study."""

from collections import Counter
from typing import TYPE_CHECKING, Literal, Self

from tristream.config.base import Label, Name
from tristream.config.events import EventReading
from tristream.config.leakage import Leakage
from tristream.config.runs import Exchange, ExchangeUnit, Split
from tristream.config.settings.base import Settings, named
from tristream.config.trials import Trials

if TYPE_CHECKING:
    from tristream.config.dataset import Dataset
    from tristream.config.load import Resolved


class InventorySettings(Settings):
    """Events and splits of a dataset.

    All subjects of the descriptor count, not the chosen ones: choosing another changes nothing.
    `timelines` says which of them saw what; `has_media`: the stimuli lie somewhere. `rows` of the
    BOLD are volumes (of `tr` seconds, of which `samples` are taken) or trials; windows are trials
    that are averaged over their own duration.
    """

    events: EventReading
    timelines: dict[Label, Name]
    split: Split
    unit: ExchangeUnit
    pause: float
    has_media: bool
    tr: float
    rows: Literal["volumes", "trials", "windows"]
    samples: Literal["events", "all"]

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `stimuli inventory` reads."""
        return cls.from_descriptor(named(resolved.datasets, targets["dataset"], "datasets"))

    @property
    def exchange(self) -> Exchange:
        """What makes events one exchangeable unit; units of time are made with the samples."""
        return Exchange(unit=self.unit, pause=self.pause)

    @classmethod
    def from_descriptor(cls, dataset: "Dataset") -> Self:
        """The same, from a descriptor alone."""
        return cls(
            events=EventReading.of(dataset),
            timelines={subject: dataset.timeline_of(subject) for subject in dataset.subjects},
            split=dataset.split,
            unit=dataset.exchange.unit,
            pause=dataset.exchange.pause,
            has_media=dataset.stimuli.source is not None,
            tr=dataset.tr,
            rows=_rows(dataset.trials),
            samples=dataset.samples,
        )


def _rows(trials: Trials | None) -> Literal["volumes", "trials", "windows"]:
    if trials is None:
        return "volumes"
    return "windows" if trials.estimate == "mean" and trials.window is None else "trials"


class LeakageSettings(Settings):
    """The audit of a dataset.

    `known_leaks` is what the descriptor states, `sharing` how many subjects share each timeline.
    """

    dataset: Name
    leakage: Leakage
    known_leaks: list[str]
    sharing: dict[Name, int]

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `stimuli leakage` reads; all subjects of the descriptor, as in the inventory."""
        dataset = named(resolved.datasets, targets["dataset"], "datasets")
        return cls(
            dataset=dataset.id,
            leakage=resolved.study.leakage,
            known_leaks=dataset.stimuli.known_leaks,
            sharing=Counter(dataset.timeline_of(subject) for subject in dataset.subjects),
        )
