"""What a power analysis reads of the study."""

from typing import TYPE_CHECKING, Literal, Self

from tristream.config.base import Name
from tristream.config.power import Power
from tristream.config.settings.base import Settings, named

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class PowerSettings(Settings):
    """One design, and the test that the study makes of encoding models."""

    name: Name
    block: Power
    permutations: int
    most_permutations: int
    fdr: float
    procedure: Literal["bh", "by"]
    seed: int

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `power run` reads."""
        study, name = resolved.study, targets["name"]
        keys = ("permutations", "most_permutations", "fdr", "procedure", "seed")
        return cls(
            name=name,
            block=named(study.power, name, "power"),
            **{key: getattr(study.inference, key) for key in keys},
        )
