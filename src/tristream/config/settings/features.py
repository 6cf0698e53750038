"""What a feature space reads of the study."""

from typing import TYPE_CHECKING, Any, Literal, Self

from tristream.config.base import Name, Section
from tristream.config.settings.base import Settings, named

if TYPE_CHECKING:
    from tristream.config.dataset import Dataset
    from tristream.config.load import Resolved


class StimulusFile(Section):
    """A film, sound or image and where it lies."""

    stimulus: Name
    kind: Literal["film", "sound", "image"]
    path: str

    @classmethod
    def all_of(cls, dataset: "Dataset") -> list[Self]:
        """Those of a dataset, in the order of its table."""
        rows = dataset.stimuli.table
        return [cls(stimulus=row.stimulus, kind=row.kind, path=row.path) for row in rows]


class FeatureSettings(Settings):
    """One feature space of one dataset: neither its layers nor what it is coloured as."""

    dataset: Name
    space: Name
    extractor: str
    module: str | None
    options: dict[str, Any]
    device: Literal["auto", "cpu", "cuda"]
    stimuli: list[StimulusFile]

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What an extractor may read.

        ``tristream.features.core.jobs.settings_of`` leaves out what this one has no use for.
        """
        dataset = named(resolved.datasets, targets["dataset"], "datasets")
        block = named(resolved.study.features, targets["space"], "features")
        return cls(
            dataset=targets["dataset"],
            space=targets["space"],
            extractor=block.extractor,
            module=block.module,
            options=block.options,
            device=resolved.study.device,
            stimuli=StimulusFile.all_of(dataset),
        )
