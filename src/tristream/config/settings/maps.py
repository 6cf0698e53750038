"""What maps read of the study, and what is fetched for them."""

import re
from typing import TYPE_CHECKING, Literal, Self

from tristream.config.base import Name
from tristream.config.settings.base import Settings, named

if TYPE_CHECKING:
    from tristream.config.dataset import Dataset
    from tristream.config.load import Resolved


class DataSettings(Settings):
    """Where downloads go: all that fetching the atlas or the meshes reads."""

    data: str

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `inference atlas` and `maps meshes` read."""
        return cls(data=resolved.study.data)


class MapsSettings(Settings):
    """Maps of one model of one dataset.

    `task` and `space` name the files, `streams` (band to the stream of its first feature space)
    choose what competes and its colours.
    """

    dataset: Name
    model: Name
    task: str
    space: str | None
    streams: dict[Name, str]
    control: Literal["none", "shifted"]

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `maps draw` reads; subjects with the same tasks share it."""
        dataset = named(resolved.datasets, targets["dataset"], "datasets")
        block = named(resolved.study.models, targets["model"], "models")
        spaces = resolved.study.spaces
        return cls(
            dataset=dataset.id,
            model=targets["model"],
            task=_task(dataset, targets["subject"]),
            space=dataset.space,
            streams={b: spaces[names[0].split("/")[0]].stream for b, names in block.bands.items()},
            control=block.control,
        )


class ContrastMapsSettings(Settings):
    """Maps of one contrast of one dataset; `fdr` matters where no threshold is given."""

    dataset: Name
    contrast: Name
    task: str
    space: str | None
    threshold: float | None
    fdr: float | None

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `maps contrast` reads."""
        dataset = named(resolved.datasets, targets["dataset"], "datasets")
        threshold = named(resolved.study.contrasts, targets["contrast"], "contrasts").threshold
        return cls(
            dataset=dataset.id,
            contrast=targets["contrast"],
            task=_task(dataset, targets["subject"]),
            space=dataset.space,
            threshold=threshold,
            fdr=resolved.study.inference.fdr if threshold is None else None,
        )


class GroupMapsSettings(Settings):
    """Maps of all subjects of one model or contrast of one dataset."""

    dataset: Name
    section: Literal["models", "contrasts"]
    name: Name
    task: str
    space: str | None

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `maps group` reads; files are named by the first subject's task."""
        dataset = named(resolved.datasets, targets["dataset"], "datasets")
        name, contrasts = targets["name"], resolved.study.contrasts
        if name not in contrasts:
            named(resolved.study.models, name, "models")
        return cls(
            dataset=dataset.id,
            section="contrasts" if name in contrasts else "models",
            name=name,
            task=_task(dataset, resolved.subjects[dataset.id][0]),
            space=dataset.space,
        )


def _task(dataset: "Dataset", subject: str) -> str:
    """The tested runs' task; a dataset whose runs name none, or several, lends its own name."""
    runs = dataset.runs_of(subject)
    tested = [run for run in runs if dataset.split.is_test(run)] or runs
    tasks = {match[1] for run in tested if (match := re.search(r"task-([A-Za-z0-9]+)", run))}
    return tasks.pop() if len(tasks) == 1 else re.sub(r"[^A-Za-z0-9]", "", dataset.id)
