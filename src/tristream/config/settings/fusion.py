"""What a space made from others reads of the study."""

from typing import TYPE_CHECKING, Any, Self

from pydantic import TypeAdapter

from tristream.config.base import Name
from tristream.config.fusion import Fusion
from tristream.config.settings.base import Settings, named

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class FusionSettings(Settings):
    """One derived space of one dataset."""

    dataset: Name
    space: Name
    method: dict[str, Any]

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `features fit` and `features fuse` read: not which of its layers are wanted."""
        named(resolved.datasets, targets["dataset"], "datasets")
        block = named(resolved.study.fusion, targets["fused"], "fusion")
        method = block.model_dump(mode="json", exclude={"stream", "variates"})
        return cls(dataset=targets["dataset"], space=targets["fused"], method=method)

    @property
    def block(self) -> Fusion:
        """The method, typed. Its stream is of no use here, but a block of the study has one."""
        adapter: TypeAdapter[Fusion] = TypeAdapter(Fusion)
        return adapter.validate_python({"stream": "nuisance", **self.method})
