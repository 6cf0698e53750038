"""What decoding across subjects reads of the study."""

from typing import TYPE_CHECKING, Self

from tristream.config.base import Label
from tristream.config.settings.decode import DecodeSettings

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class AcrossSubjectsSettings(DecodeSettings):
    """One decoder of one dataset, and the subjects who are decoded by one another."""

    subjects: list[Label]

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick one decoder, and the dataset's chosen subjects."""
        one = DecodeSettings.of(resolved, **targets)
        return cls(**dict(one), subjects=resolved.subjects[targets["dataset"]])
