"""Encoding models: bands, delays, penalties."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tristream.config.base import Name, Section
from tristream.config.delays import RESPONSE, Delays


class Alphas(Section):
    """Regularisation grid, in powers of ten, for kernels whose mean diagonal is 1."""

    lowest: float = Field(default=-2.0, description="exponent of the smallest alpha")
    highest: float = Field(default=5.0, description="exponent of the largest alpha")
    number: int = Field(default=15, ge=1, description="how many, evenly spaced in the exponent")

    @model_validator(mode="after")
    def _ordered(self) -> "Alphas":
        if self.lowest > self.highest:
            raise ValueError("lowest is above highest")
        return self


class Network(Section):
    """A temporal convolutional network over the features of all bands (`kind: tcn`)."""

    width: int = Field(default=32, ge=1, description="channels of the trunk")
    blocks: int = Field(
        default=3, ge=1, description="residual blocks; each doubles the reach into the past"
    )
    epochs: int = Field(default=200, ge=1, description="passes over the training runs, at most")
    patience: int = Field(default=10, ge=1, description="passes without gain before it stops")
    learning_rate: float = Field(default=3e-3, gt=0, description="of AdamW")
    weight_decay: float = Field(default=1e-2, ge=0, description="of AdamW")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="channels left out in training")


class EncodingDesign(Section):
    """What a voxelwise encoding model is, whichever datasets it is fitted to."""

    kind: Literal["banded_ridge", "stacking", "tcn"] = Field(
        default="banded_ridge", description="how bands become a prediction"
    )
    bands: dict[Name, list[str]] = Field(
        min_length=1, description="band to its spaces, `space` or `space/layer`"
    )
    delays: Delays = Field(
        default=[RESPONSE],
        min_length=1,
        description="delays of the FIR model: `2-8 s` (all volumes from 2 to 8 s), `[2 s, 4 s]`, "
        "`[1 TR, 2 TR]`",
    )
    hrf: Literal["fir", "spm"] = Field(
        default="fir", description="delays, or SPM's response with time and dispersion derivatives"
    )
    kernels: dict[Name, Literal["linear", "rbf", "polynomial"]] = Field(
        default={}, description="kernel of a band; linear if not named"
    )
    alphas: Alphas = Field(default=Alphas(), description="grid of ridge penalties")
    candidates: int = Field(default=50, ge=1, description="band weightings tried per voxel")
    solver: Literal["search", "gradient"] = Field(
        default="search",
        description="banded ridge: try candidates, or lead each voxel's band weights by steps, "
        "which finds better ones of many bands",
    )
    select: Literal["average", "best"] = Field(
        default="average",
        description="search of banded ridge: a voxel's model is the mean of its near-best "
        "candidates, or the best one",
    )
    components: int | None = Field(
        default=None, ge=1, description="principal components kept per space, fitted on training"
    )
    control: Literal["none", "shifted"] = Field(
        default="none", description="shifted: a negative control"
    )
    seed: int = Field(default=0, description="seed of the band weightings, or of the network")
    network: Network = Field(default=Network(), description="of `kind: tcn`")

    @model_validator(mode="after")
    def _kernels_of_bands(self) -> Self:
        unknown = [band for band in self.kernels if band not in self.bands]
        if unknown:
            raise ValueError(f"kernels names {', '.join(unknown)}, not among the model's bands")
        return self


class EncodingModel(EncodingDesign):
    """A voxelwise encoding model.

    `kind`: banded ridge; stacking of one ridge model a band with convex weights; or a temporal
    convolutional network. `bands` maps a band's name to feature spaces, whole (``musicnn``) or by
    layer (``musicnn/cnn1``). `delays` have a unit; with `hrf: spm` the canonical response and its
    derivatives take their place. `control: shifted` moves the features by half of each stimulus,
    so that nothing should be predicted.
    """

    datasets: list[Name] = Field(description="datasets that the model is fitted to")

    @property
    def design(self) -> EncodingDesign:
        """The model without its datasets, and without a network that it does not train."""
        unused = {"datasets"} if self.kind == "tcn" else {"datasets", "network"}
        return EncodingDesign.model_validate(self.model_dump(exclude=unused))

    @property
    def fitted_design(self) -> EncodingDesign:
        """The design with its bands in the order of their names, as jobs fit it.

        Weightings are drawn in the order of the bands; that in which a study writes them must not
        change what is fitted.
        """
        design = self.design
        return design.model_copy(update={"bands": dict(sorted(design.bands.items()))})
