"""What simulating a dataset from a preset reads: the preset, and what the descriptor promises."""

from typing import TYPE_CHECKING, Self

from tristream.config.base import Label, Name, Section
from tristream.config.settings.base import Settings, named
from tristream.config.sources import ArchiveSource
from tristream.simulate.preset import Preset, load_preset

if TYPE_CHECKING:
    from tristream.config.dataset import Dataset
    from tristream.config.load import Resolved


class FetchAtlasSettings(Settings):
    """Where the atlas of a preset comes from."""

    preset: Name
    data: str
    source: ArchiveSource

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick the atlas of one preset."""
        preset = targets["preset"]
        return cls(preset=preset, data=resolved.study.data, source=load_preset(preset).atlas)


class ShownFilm(Section):
    """The preset's film in the descriptor: its file, and how events name it."""

    path: str
    match: str


class SimulateSettings(Settings):
    """A preset, and what the dataset's descriptor says that has to agree with it.

    `licence` and `credit` are the film's, which the dataset's description repeats.
    """

    dataset: Name
    preset: Preset
    tr: float
    subjects: list[Label]
    runs: list[str]
    layout: tuple[str, str]
    film: ShownFilm | None
    licence: str
    credit: str

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick the preset that the dataset names."""
        dataset = named(resolved.datasets, targets["dataset"], "datasets")
        return cls.of_dataset(dataset, load_preset(dataset.source.preset))

    @classmethod
    def of_dataset(cls, dataset: "Dataset", preset: Preset) -> Self:
        """Pick from a descriptor."""
        rows = (s for s in dataset.stimuli.table if s.stimulus == preset.film.stimulus)
        films = [ShownFilm(path=row.path, match=row.match or row.path) for row in rows]
        source = dataset.stimuli.source
        return cls(
            dataset=dataset.id,
            preset=preset.simulated,
            tr=dataset.tr,
            subjects=dataset.subjects,
            runs=dataset.runs,
            layout=(dataset.layout.kind, dataset.space or ""),
            film=films[0] if films else None,
            licence=getattr(source, "licence", ""),
            credit=getattr(source, "credit", ""),
        )
