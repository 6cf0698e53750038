"""What encoding models of a simulated dataset should recover of its truth."""

from pydantic import Field

from tristream.config.base import Section


class Recovery(Section):
    """Thresholds of one simulated dataset; they stand in its preset.

    A model is compared with the oracle: the same encoder, given what drives the simulated voxels.
    """

    ceiling: float = Field(
        default=0.3,
        ge=0,
        lt=1,
        description="the best band is judged in voxels of one stream with a higher ceiling r",
    )
    best_band: float | None = Field(
        default=None,
        gt=0,
        description="least share of these voxels whose best band is right, over the oracle's share",
    )
    accuracy: float | None = Field(
        default=None, gt=0, description="least test r over that of the oracle"
    )
