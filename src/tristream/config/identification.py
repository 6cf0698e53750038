"""Decoding of features, and identification of what was seen."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tristream.config.base import Name, Section
from tristream.config.delays import DecoderDelay


class ContrastiveDesign(Section):
    """Networks trained to find which item a response belongs to, beside ridge regression."""

    loss: Literal["infonce", "siglip"] = Field(
        default="infonce",
        description="softmax over the items and over the responses of a batch; `siglip`: a "
        "logistic loss of each pair",
    )
    mixco: bool = Field(default=True, description="mix pairs of responses in training")
    hidden: int = Field(default=128, ge=0, description="units of the hidden layer; 0: none")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="share of them left out")
    epochs: int = Field(default=60, ge=1, description="the most")
    patience: int = Field(
        default=8, ge=1, description="epochs without a lower loss of a left-out training run"
    )
    learning_rate: float = Field(default=3e-4, gt=0, description="of AdamW")
    batch: int = Field(default=512, ge=2, description="samples of a batch, the most")
    seeds: int = Field(
        default=3, ge=1, description="networks whose outputs are averaged, each ended by one run"
    )


class IdentificationDesign(Section):
    """How features are decoded and items identified, whichever datasets these are of."""

    features: list[str] = Field(
        default=[], description="feature spaces to decode, or `space/layer` of one"
    )
    model: Name | None = Field(
        default=None,
        description="in their place an encoding model: an item is identified by the response that "
        "the model predicts for it",
    )
    regions: list[str] = Field(
        default=[], description="regions of the dataset to decode from; default: all voxels as one"
    )
    voxels: int | None = Field(
        default=500, ge=1, description="voxels of largest |r| that a unit gets; null: all"
    )
    alpha: Annotated[float, Field(gt=0)] | Literal["cv"] = Field(
        default=100.0,
        description="ridge penalty of z-scored voxels and units; cv: chosen for each unit by "
        "leaving out training runs",
    )
    contrastive: ContrastiveDesign | None = Field(
        default=None,
        description="networks trained by a contrastive loss on the same samples, beside ridge "
        "regression; `{}` takes the defaults",
    )
    banded: bool = Field(
        default=False,
        description="decode from all `regions` together, too, two at least: by ridge regression, "
        "by banded ridge regression with regions as bands, and by the better of the two for each "
        "unit in left-out training runs, of which there must be three",
    )
    delay: DecoderDelay | None = Field(
        default=None,
        description="how much later than the item its volumes are taken, as of a decoder; default: "
        "5 s, and 0 where rows are trials",
    )
    imagined: list[str] = Field(
        default=[],
        description="test runs, or patterns, in which items were imagined: identified by "
        "themselves, after the reliability of their patterns",
    )
    candidates: Literal["tested", "trained"] | str = Field(
        default="tested",
        description="among which an item is identified: the tested items; with `trained` the "
        "training items too; or a folder of your own features of items that were never shown, "
        "`SPACE_LAYER.npy` (items, units) for each layer, beside the tested items",
    )
    permutations: int = Field(default=10_000, ge=0, description="of the identity of items")
    seed: int = Field(default=0, description="of the permutations")

    @model_validator(mode="after")
    def _features_or_model(self) -> Self:
        if (self.model is None) == (not self.features):
            raise ValueError("name `features` that are decoded, or the `model` that encodes")
        for key in OF_FEATURES if self.model else ():
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key}: is of decoded features, and `model` takes none; leave it")
        if self.banded and len(set(self.regions)) < 2:
            raise ValueError("banded: regions are its bands; name two `regions` or more")
        return self


OF_FEATURES = ("voxels", "alpha", "contrastive", "banded", "imagined", "candidates")
"""What identification through an encoding model can't be told."""


class Identification(IdentificationDesign):
    """Features decoded from the brain, unit by unit, and items identified by them or by an encoder.

    Every layer is decoded from every region by ridge regression on the voxels that correlate with a
    unit most (Horikawa & Kamitani 2017), or responses are compared with those that an encoding
    model predicts (Kay et al. 2008). Items are those of the events; of datasets whose exchangeable
    unit is `time`, time blocks.
    """

    datasets: list[Name] = Field(description="datasets whose items are identified")

    @property
    def design(self) -> IdentificationDesign:
        """The same without its datasets."""
        return IdentificationDesign.model_validate(self.model_dump(exclude={"datasets"}))
