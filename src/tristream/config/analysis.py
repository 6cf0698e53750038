"""What is computed: feature spaces, encoding models, decoders, inference."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tristream.config.base import Name, Section

Stream = Literal["ventral", "dorsal", "auditory", "nuisance", "label", "truth"]


class FeatureSpace(Section):
    """One extractor with its options; each of its layers becomes a feature file."""

    stream: Stream = Field(description="what the maps colour it as")
    extractor: str = Field(description="one of `tristream features list`")
    layers: list[Name] = Field(default=[], description="empty: the extractor's default layers")
    options: dict[str, Any] = Field(default={}, description="options of the extractor")
    module: str | None = Field(default=None, description="a .py file that defines the extractor")


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


class EncodingModel(Section):
    """A voxelwise banded ridge model.

    `bands` maps a band's name to feature spaces, whole (``musicnn``) or by layer
    (``musicnn/cnn1``). `delays` are in TR. `control: shifted` moves the features by half of each
    stimulus, so that nothing should be predicted.
    """

    datasets: list[Name] = Field(description="datasets that the model is fitted to")
    bands: dict[Name, list[str]] = Field(
        min_length=1, description="band to its spaces, `space` or `space/layer`"
    )
    delays: list[Annotated[int, Field(ge=0)]] = Field(
        default=[1, 2, 3, 4], min_length=1, description="delays of the FIR model in TR"
    )
    alphas: Alphas = Field(default=Alphas(), description="grid of ridge penalties")
    candidates: int = Field(default=50, ge=1, description="band weightings tried per voxel")
    components: int | None = Field(
        default=None, ge=1, description="principal components kept per space, fitted on training"
    )
    control: Literal["none", "shifted"] = Field(
        default="none", description="shifted: a negative control"
    )
    seed: int = Field(default=0, description="seed of the band weightings")


class Decoder(Section):
    """A classifier of the labels of an experiment.

    `samples`: every labelled volume, or one average per block. `kind`: ridge classifier or linear
    SVM. Samples are z-scored by their own run or by the training runs.
    """

    datasets: list[Name] = Field(description="datasets whose labels are decoded")
    kind: Literal["ridge", "svm"] = Field(description="ridge classifier or linear SVM")
    samples: Literal["volumes", "blocks"] = Field(description="what one sample is")
    standardize: Literal["run", "training"] = Field(
        default="run", description="whose mean and variance scale a sample"
    )
    regularization: float = Field(default=1.0, gt=0, description="alpha of ridge, C of the SVM")
    delay: float = Field(default=0.0, ge=0, description="seconds added to the onsets")
    permutations: int = Field(default=200, ge=0, description="label permutations of the null")
    seed: int = Field(default=0, description="seed of the permutations")


class Inference(Section):
    """Permutation tests of encoding models, from stored predictions."""

    permutations: int = Field(default=1000, ge=1, description="drawn from the distinct ones")
    fdr: float = Field(default=0.05, gt=0, lt=1, description="false discovery rate of the maps")
    seed: int = Field(default=0, description="seed of the permutations")
