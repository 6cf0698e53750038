"""What identification reads of the study."""

from typing import TYPE_CHECKING, Literal, Self

from tristream.config.base import Name
from tristream.config.identification import IdentificationDesign
from tristream.config.runs import ExchangeUnit
from tristream.config.settings.base import Settings, named

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class IdentificationSettings(Settings):
    """One identification of one dataset; `unit` is the dataset's exchangeable unit."""

    dataset: Name
    identification: Name
    block: IdentificationDesign
    unit: ExchangeUnit
    device: Literal["auto", "cpu", "cuda"]

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick one; its other datasets do not matter."""
        dataset, name = targets["dataset"], targets["identification"]
        return cls(
            dataset=dataset,
            identification=name,
            block=named(resolved.study.identification, name, "identification").design,
            unit=named(resolved.datasets, dataset, "datasets").exchange.unit,
            device=resolved.study.device,
        )
