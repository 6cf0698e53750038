"""What decoding reads of the study."""

from typing import TYPE_CHECKING, Self

from tristream.config.base import Name
from tristream.config.decoders import DecoderDesign
from tristream.config.runs import ExchangeUnit
from tristream.config.settings.base import Settings, named

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class DecodeSettings(Settings):
    """One decoder of one dataset; `unit` is the dataset's exchangeable unit."""

    dataset: Name
    decoder: Name
    block: DecoderDesign
    unit: ExchangeUnit

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick one decoder; its other datasets do not matter."""
        dataset, decoder = targets["dataset"], targets["decoder"]
        return cls(
            dataset=dataset,
            decoder=decoder,
            block=named(resolved.study.decoders, decoder, "decoders").design,
            unit=named(resolved.datasets, dataset, "datasets").exchange.unit,
        )
