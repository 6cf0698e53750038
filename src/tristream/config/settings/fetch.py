"""What fetching reads of the study. Titles, citations and credits are not fetched."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from tristream.config.base import Checksum, Label, Name
from tristream.config.layouts import Layout
from tristream.config.settings.base import Settings, named
from tristream.config.sources import (
    ArchiveSource,
    DataladSource,
    FolderSource,
    OsfSource,
    SimulateSource,
)
from tristream.errors import UserError

if TYPE_CHECKING:
    from tristream.config.load import Resolved


# Keys of layouts that name files; the others tell what is done with them.
FILE_KEYS = frozenset(
    {"kind", "derivatives", "padded_runs", "space", "bold", "table", "mask", "events", "rois"}
    | {"regions"}
)


class FetchDatasetSettings(Settings):
    """Where a dataset lies, and what of it is taken although its checksum differs.

    `source` is where the files are, also of a simulated dataset, which names its `preset` beside
    it. `folder` is where `derivatives` belong that are a dataset of their own.
    """

    dataset: Name
    data: str
    source: DataladSource | ArchiveSource | FolderSource = Field(discriminator="kind")
    preset: str
    derivatives: DataladSource | FolderSource | None = Field(discriminator="kind")
    folder: str
    accept: dict[str, Checksum]

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick one dataset."""
        return cls(**cls._picked(resolved, **targets))

    @classmethod
    def _picked(cls, resolved: "Resolved", dataset: str) -> dict[str, Any]:
        found = named(resolved.datasets, dataset, "datasets")
        simulated = isinstance(found.source, SimulateSource)
        folder = getattr(found.layout, "derivatives", "").strip("/")
        return {
            "dataset": dataset,
            "data": resolved.study.data,
            "source": without_credit(resolved.source(dataset)),
            "preset": found.source.preset if simulated else "",
            "derivatives": found.derivatives if folder else None,
            "folder": folder if found.derivatives else "",
            "accept": resolved.study.datasets[dataset].accept,
        }

    @property
    def stated_source(self) -> dict[str, Any]:
        """The source as the receipt states it."""
        stated = SimulateSource(preset=self.preset) if self.preset else self.source
        return stated.model_dump(mode="json")


class FetchSubjectSettings(FetchDatasetSettings):
    """Which files of a dataset the analysis of one subject reads."""

    subject: Label
    layout: Layout
    runs: list[str]
    with_events: bool = True

    @classmethod
    def _picked(cls, resolved: "Resolved", dataset: str, subject: str = "") -> dict[str, Any]:
        found = named(resolved.datasets, dataset, "datasets")
        if subject not in found.subjects:
            raise UserError(f"{dataset}: has no subject {subject!r} in its descriptor")
        return {
            **super()._picked(resolved, dataset),
            "subject": subject,
            "layout": files_of(found.layout),
            "runs": found.runs_of(subject),
            "with_events": not found.events.shown,
        }


class FetchStimuliSettings(Settings):
    """Where the stimuli of a dataset lie, and which there are to be.

    `get` tells the user where they can be had: it is part of messages alone. `shipped`: the dataset
    itself holds them.
    """

    wording: ClassVar[frozenset[str]] = frozenset({"get"})

    dataset: Name
    data: str
    source: ArchiveSource | DataladSource | FolderSource | OsfSource = Field(discriminator="kind")
    shipped: bool = False
    paths: list[str]
    missing: Literal["error", "drop"]
    get: str

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick the stimuli of one dataset.

        Raises
        ------
        UserError
            If it has no stimulus source.
        """
        dataset = targets["dataset"]
        stimuli = named(resolved.datasets, dataset, "datasets").stimuli
        if stimuli.source is None and stimuli.table:
            raise UserError(
                f"{dataset}: does not ship its stimuli: {stimuli.get}; name your folder in "
                f"`datasets.{dataset}.stimuli`"
            )
        if stimuli.source is None:
            where = f"; {stimuli.get}" if stimuli.get else ""
            raise UserError(f"{dataset}: its descriptor lists no stimuli: nothing to fetch{where}")
        shipped = stimuli.source.kind == "dataset"
        return cls(
            dataset=dataset,
            data=resolved.study.data,
            source=without_credit(resolved.source(dataset) if shipped else stimuli.source),
            shipped=shipped,
            paths=list(dict.fromkeys(row.path for row in stimuli.table)),
            missing=resolved.study.datasets[dataset].missing_stimuli,
            get=stimuli.get,
        )


def without_credit(source: Any) -> Any:
    """A source without the credit that its licence asks for, which changes no file."""
    return source.model_copy(update={"credit": ""}) if source.kind == "archive" else source


def files_of(layout: Any) -> Any:
    """A layout with what it tells beside the files at its defaults."""
    reset = {
        name: field.get_default()
        for name, field in type(layout).model_fields.items()
        if name not in FILE_KEYS and not field.is_required()
    }
    # Whether confounds are read decides whether their table is got; which ones does not.
    if reset.get("confounds") and not layout.confounds:
        reset["confounds"] = []
    return layout.model_copy(update=reset)
