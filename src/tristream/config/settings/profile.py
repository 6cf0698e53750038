"""What decoding from spheres, regions and times reads of the study."""

from typing import TYPE_CHECKING, Literal, Self

from tristream.config.base import Name
from tristream.config.decoders import DecoderDesign
from tristream.config.runs import ExchangeUnit
from tristream.config.settings.base import Settings, named

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class ProfileSettings(Settings):
    """One decoder of one dataset, and the parts from which it decodes: one of the last three."""

    dataset: Name
    decoder: Name
    block: DecoderDesign
    unit: ExchangeUnit
    searchlight: float | None = None
    regions: list[str] | Literal["all"] | None = None
    times: tuple[float, float] | None = None

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick one decoder, and of its parts those named by the target ``parts``."""
        dataset, decoder, parts = targets["dataset"], targets["decoder"], targets["parts"]
        block = named(resolved.study.decoders, decoder, "decoders")
        return cls(
            dataset=dataset,
            decoder=decoder,
            block=block.design,
            unit=named(resolved.datasets, dataset, "datasets").exchange.unit,
            **{parts: getattr(block, parts)},
        )
