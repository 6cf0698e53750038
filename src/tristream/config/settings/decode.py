"""What decoding reads of the study."""

from typing import TYPE_CHECKING, Self

from tristream.config.base import Name
from tristream.config.decoders import Decoder
from tristream.config.settings.base import Settings, named

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class DecodeSettings(Settings):
    """One decoder of one dataset."""

    dataset: Name
    decoder: Name
    block: Decoder

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `decode fit` reads; other datasets of the same decoder do not matter."""
        dataset, decoder = targets["dataset"], targets["decoder"]
        named(resolved.datasets, dataset, "datasets")
        block = named(resolved.study.decoders, decoder, "decoders")
        return cls(
            dataset=dataset,
            decoder=decoder,
            block=block.model_copy(update={"datasets": [dataset]}),
        )
