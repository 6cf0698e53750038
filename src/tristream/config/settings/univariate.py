"""What a mass-univariate test reads of the study."""

from typing import TYPE_CHECKING, Self

from tristream.config.base import Name
from tristream.config.runs import ExchangeUnit
from tristream.config.settings.base import Settings, named
from tristream.config.univariate import UnivariateDesign

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class UnivariateSettings(Settings):
    """One comparison in one dataset; `unit` is the dataset's exchangeable unit."""

    dataset: Name
    pair: Name
    block: UnivariateDesign
    unit: ExchangeUnit

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick one comparison; its other datasets do not matter."""
        dataset, pair = targets["dataset"], targets["pair"]
        return cls(
            dataset=dataset,
            pair=pair,
            block=named(resolved.study.univariate, pair, "univariate").design,
            unit=named(resolved.datasets, dataset, "datasets").exchange.unit,
        )
