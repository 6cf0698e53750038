"""What registering, reading, cleaning and indexing BOLD read of the study."""

from typing import TYPE_CHECKING, Self

from tristream.config.base import Label, Name
from tristream.config.settings.base import Settings, named
from tristream.errors import UserError

if TYPE_CHECKING:
    from tristream.config.dataset import Dataset
    from tristream.config.load import Resolved


class IndexSettings(Settings):
    """The runs that one subject must have."""

    dataset: Name
    subject: Label
    runs: list[str]

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `bold index` reads."""
        dataset = _dataset(resolved, **targets)
        subject = targets["subject"]
        return cls(dataset=dataset.id, subject=subject, runs=dataset.runs_of(subject))


def _dataset(resolved: "Resolved", dataset: str, subject: str) -> "Dataset":
    """The descriptor of a dataset that has the subject."""
    found = named(resolved.datasets, dataset, "datasets")
    if subject not in found.subjects:
        raise UserError(f"{dataset}: no subject {subject!r}: {', '.join(found.subjects)}")
    return found
