"""What the report reads of the study: all of it, which it shows."""

from typing import TYPE_CHECKING, Self

from tristream.config.base import Name
from tristream.config.dataset import Dataset
from tristream.config.settings.base import Settings
from tristream.config.study import Study

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class ReportSettings(Settings):
    """The study with the descriptors of its datasets."""

    study: Study
    datasets: dict[Name, Dataset]
    subjects: dict[Name, list[str]]

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """All of the study."""
        return cls(study=resolved.study, datasets=resolved.datasets, subjects=resolved.subjects)

    def resolved(self) -> "Resolved":
        """The study as the report's sections take it."""
        from tristream.config.load import Resolved

        return Resolved(self.study, self.datasets, self.subjects)
