"""What fetching the weights of a feature space reads of the study."""

from typing import TYPE_CHECKING, Self

from pydantic import Field

from tristream.config.base import Name
from tristream.config.settings.base import Settings, named
from tristream.config.settings.fetch import without_credit
from tristream.config.sources import ArchiveSource, FolderSource, HubSource
from tristream.features.core.checked_space import weights_of

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class FetchWeightsSettings(Settings):
    """Where the weights of a feature space come from, which its extractor or its options say."""

    space: Name
    data: str
    source: ArchiveSource | HubSource | FolderSource | None = Field(discriminator="kind")

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick one space."""
        space = targets["space"]
        source = weights_of(space, named(resolved.study.features, space, "features"))
        stated = without_credit(source) if source else None
        return cls(space=space, data=resolved.study.data, source=stated)
