"""What representational similarity analysis reads of the study."""

from typing import TYPE_CHECKING, Self

from tristream.config.base import Name
from tristream.config.rsa import ComparisonDesign, PatternDesign
from tristream.config.settings.base import Settings, named
from tristream.errors import UserError

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class DissimilaritySettings(Settings):
    """Distances of patterns and features of one dataset."""

    dataset: Name
    rsa: Name
    block: PatternDesign

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick one analysis; how its distances are compared does not matter."""
        dataset, name = targets["dataset"], targets["rsa"]
        if named(resolved.datasets, dataset, "datasets").exchange.unit == "time":
            raise UserError(
                f"rsa.{name}.datasets: {dataset} has no items (its exchange.unit is `time`); "
                "name a dataset of items or blocks"
            )
        block = named(resolved.study.rsa, name, "rsa").patterns
        return cls(dataset=dataset, rsa=name, block=block)


class RsaSettings(Settings):
    """How the distances of a dataset's subjects are compared."""

    dataset: Name
    rsa: Name
    block: ComparisonDesign

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick one analysis."""
        dataset, name = targets["dataset"], targets["rsa"]
        return cls(dataset=dataset, rsa=name, block=named(resolved.study.rsa, name, "rsa").compared)
