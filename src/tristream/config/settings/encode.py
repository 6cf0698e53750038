"""What encoding models read of the study.

Responses and selection read nothing of it: all that they need stands in the encoding files.
"""

from typing import TYPE_CHECKING, Literal, Self

from tristream.config.base import Name
from tristream.config.models import EncodingDesign
from tristream.config.settings.base import Settings, named

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class EncodeSettings(Settings):
    """One model of one dataset."""

    dataset: Name
    model: Name
    block: EncodingDesign
    device: Literal["auto", "cpu", "cuda"]

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick one model; its other datasets do not matter."""
        dataset, model = targets["dataset"], targets["model"]
        named(resolved.datasets, dataset, "datasets")
        block = named(resolved.study.models, model, "models")
        device = resolved.study.device
        return cls(dataset=dataset, model=model, block=block.fitted_design, device=device)
