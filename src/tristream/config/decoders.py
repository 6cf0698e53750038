"""Decoders of the labels of an experiment."""

from typing import Literal

from pydantic import Field

from tristream.config.base import Name, Section
from tristream.config.delays import DecoderDelay


class DecoderDesign(Section):
    """What a decoder is, whichever datasets it decodes."""

    kind: Literal["ridge", "svm"] = Field(description="ridge classifier or linear SVM")
    samples: Literal["volumes", "blocks"] = Field(description="what one sample is")
    standardize: Literal["run", "training"] = Field(
        default="run", description="whose mean and variance scale a sample"
    )
    regularization: float = Field(default=1.0, gt=0, description="alpha of ridge, C of the SVM")
    delay: DecoderDelay | None = Field(
        default=None,
        description="how much later than the label its volumes are taken, `5 s` (a number is of "
        "seconds) or `2 TR`; default: 5 s, and 0 where rows are trials",
    )
    permutations: int = Field(default=200, ge=0, description="label permutations of the null")
    seed: int = Field(default=0, description="seed of the permutations")


class Decoder(DecoderDesign):
    """A classifier of the labels of an experiment.

    `samples`: every labelled volume, or one average per block. `kind`: ridge classifier or linear
    SVM. Samples are z-scored by their own run or by the training runs.
    """

    datasets: list[Name] = Field(description="datasets whose labels are decoded")

    @property
    def design(self) -> DecoderDesign:
        """The decoder without its datasets."""
        return DecoderDesign.model_validate(self.model_dump(exclude={"datasets"}))
