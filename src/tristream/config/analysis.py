"""What is computed: feature spaces, encoding models, decoders, inference."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tristream.config.base import Name, Section

Stream = Literal["ventral", "dorsal", "auditory", "nuisance", "label", "truth"]


class FeatureSpace(Section):
    """One extractor with its options; each of its layers becomes a feature file."""

    stream: Stream
    extractor: str
    layers: list[Name] = Field(default=[], description="empty: the extractor's default layers")
    options: dict[str, Any] = {}
    module: str | None = Field(default=None, description="a .py file that defines the extractor")


class Alphas(Section):
    """Regularisation grid, in powers of ten."""

    lowest: float = 0.0
    highest: float = 10.0
    number: int = Field(default=11, ge=1)

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

    datasets: list[Name]
    bands: dict[Name, list[str]] = Field(min_length=1)
    delays: list[Annotated[int, Field(ge=0)]] = Field(default=[1, 2, 3, 4], min_length=1)
    alphas: Alphas = Alphas()
    candidates: int = Field(default=50, ge=1, description="band weightings tried per voxel")
    components: int | None = Field(
        default=None, ge=1, description="principal components kept per space, fitted on training"
    )
    control: Literal["none", "shifted"] = "none"
    seed: int = 0


class Decoder(Section):
    """A classifier of the labels of an experiment.

    `samples`: every labelled volume, or one average per block. `kind`: ridge classifier or linear
    SVM. Samples are z-scored by their own run or by the training runs.
    """

    datasets: list[Name]
    kind: Literal["ridge", "svm"]
    samples: Literal["volumes", "blocks"]
    standardize: Literal["run", "training"] = "run"
    regularization: float = Field(default=1.0, gt=0, description="alpha of ridge, C of the SVM")
    delay: float = Field(default=0.0, ge=0, description="seconds added to the onsets")
    permutations: int = Field(default=200, ge=0)
    seed: int = 0


class Inference(Section):
    """Permutation tests of encoding models, from stored predictions."""

    permutations: int = Field(default=1000, ge=1)
    fdr: float = Field(default=0.05, gt=0, lt=1)
    seed: int = 0
