"""What registering, reading, cleaning and indexing BOLD read of the study."""

import math
from typing import TYPE_CHECKING, Any, Self

from tristream.config.base import Label, Name, Section
from tristream.config.events import EventReading
from tristream.config.layouts import Layout, ScanLayout, VolumeTableLayout
from tristream.config.runs import Parts, Trims
from tristream.config.settings.base import Settings, named
from tristream.config.trials import Trials

if TYPE_CHECKING:
    from tristream.config.dataset import Dataset
    from tristream.config.load import Resolved


# Cuts that are closer to a volume, in volumes, fall on it.
EXACT = 1e-6


class SubjectSettings(Settings):
    """One subject of one dataset."""

    dataset: Name
    subject: Label

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What a job of the stage `bold` reads.

        Raises
        ------
        UserError
            If the study has no such dataset, or the dataset no such subject.
        """
        dataset = named(resolved.datasets, targets["dataset"], "datasets")
        subject = targets["subject"]
        dataset.check_subject(subject)
        return cls.of_dataset(dataset, subject)

    @classmethod
    def of_dataset(cls, dataset: "Dataset", subject: str) -> Self:
        """The same, from the dataset's descriptor."""
        return cls(dataset=dataset.id, subject=subject, **cls._own(dataset, subject))

    @classmethod
    def _own(cls, dataset: "Dataset", subject: str) -> dict[str, Any]:
        return {}


class IndexSettings(SubjectSettings):
    """The runs that there must be."""

    runs: list[str]

    @classmethod
    def _own(cls, dataset: "Dataset", subject: str) -> dict[str, Any]:
        return {"runs": dataset.runs_of(subject)}


class RegisterSettings(SubjectSettings):
    """What registering one run needs; normalising takes the subject alone."""

    tr: float
    trims: Trims

    @classmethod
    def _own(cls, dataset: "Dataset", subject: str) -> dict[str, Any]:
        return {"tr": dataset.tr, "trims": dataset.trims}


class ReadSettings(SubjectSettings):
    """What every reader of BOLD may know.

    `runs` are the subject's; `image_runs` are those that one image holds, in its order. `parts`:
    how runs are cut in time.
    """

    layout: Layout
    tr: float
    runs: list[str]
    image_runs: list[str]
    trims: Trims
    parts: Parts | None = None

    @classmethod
    def _own(cls, dataset: "Dataset", subject: str) -> dict[str, Any]:
        in_one_image = isinstance(dataset.layout, VolumeTableLayout | ScanLayout)
        return {
            "layout": dataset.layout,
            "tr": dataset.tr,
            "runs": dataset.runs_of(subject),
            "image_runs": dataset.runs if in_one_image else [],
            "trims": dataset.trims,
            "parts": dataset.parts if dataset.parts and dataset.parts.times else None,
        }

    def trims_of(self, run: str, volumes: int) -> Trims:
        """Volumes to leave out of a run, also those that other parts of it have."""
        if self.parts is None:
            return self.trims
        begin, end = self.parts.window(run)
        first = math.ceil(begin / self.tr - EXACT)
        last = volumes if math.isinf(end) else math.ceil(end / self.tr - EXACT)
        return Trims(start=max(self.trims.start, first), end=max(self.trims.end, volumes - last))

    @property
    def space(self) -> str:
        """The space that the layout says the BOLD lies in."""
        return getattr(self.layout, "space", "native")


class CheckSettings(ReadSettings):
    """What is needed to check a subject's files: events, too, and how trials are estimated."""

    events: EventReading
    trials: Trials | None

    @classmethod
    def _own(cls, dataset: "Dataset", subject: str) -> dict[str, Any]:
        events = EventReading.of(dataset)
        return {**super()._own(dataset, subject), "events": events, "trials": dataset.trials}


class TimingSettings(Settings):
    """The chosen subjects of a dataset, each with the timeline that it saw."""

    dataset: Name
    timelines: dict[Label, Name]

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `bold timing` reads."""
        dataset = named(resolved.datasets, targets["dataset"], "datasets")
        subjects = resolved.subjects[dataset.id]
        return cls(
            dataset=dataset.id,
            timelines={subject: dataset.timeline_of(subject) for subject in subjects},
        )

    def seen_by(self, timeline: str) -> list[str]:
        """Subjects of a timeline."""
        return [subject for subject, name in self.timelines.items() if name == timeline]


class TrialSettings(Section):
    """How single trials are estimated, and from which events."""

    estimation: Trials
    events: EventReading


class BoldSettings(ReadSettings):
    """What `bold prepare` reads; events only where rows are trials."""

    trials: TrialSettings | None

    @classmethod
    def _own(cls, dataset: "Dataset", subject: str) -> dict[str, Any]:
        own = super()._own(dataset, subject)
        if dataset.trials is None:
            return {**own, "layout": _of_images(dataset.layout), "trials": None}
        estimation = dataset.trials
        if estimation.average_repeats == "split":
            # The sample index averages over runs; in the runs themselves nothing is averaged.
            estimation = estimation.model_copy(update={"average_repeats": "never"})
        events = EventReading.of(dataset)
        return {**own, "trials": TrialSettings(estimation=estimation, events=events)}


class TrialModelSettings(SubjectSettings):
    """What `bold choose` reads: how trials are estimated, and the runs that choose."""

    trials: TrialSettings
    training: list[str]

    @classmethod
    def _own(cls, dataset: "Dataset", subject: str) -> dict[str, Any]:
        assert dataset.trials is not None
        training = [run for run in dataset.runs_of(subject) if not dataset.split.is_test(run)]
        # Neither how estimates are scaled nor what is averaged changes what is chosen.
        chosen = Trials(
            estimate=dataset.trials.estimate, noise_components=dataset.trials.noise_components
        )
        events = EventReading.of(dataset)
        return {"trials": TrialSettings(estimation=chosen, events=events), "training": training}


def _of_images(layout: Layout) -> Layout:
    """A layout without what it says of events."""
    if isinstance(layout, VolumeTableLayout):
        return layout.model_copy(update={"rest": VolumeTableLayout.model_fields["rest"].default})
    if isinstance(layout, ScanLayout):
        columns = ScanLayout.model_fields["columns"].default
        return layout.model_copy(update={"columns": columns})
    return layout
