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


class EncodingModel(Section):
    """A voxelwise encoding model.

    `kind`: banded ridge; stacking of one ridge model a band with convex weights; or a temporal
    convolutional network. `bands` maps a band's name to feature spaces, whole (``musicnn``) or by
    layer (``musicnn/cnn1``). `delays` are in TR; with `hrf: spm` the canonical response and its
    derivatives take their place. `control: shifted` moves the features by half of each stimulus,
    so that nothing should be predicted.
    """

    kind: Literal["banded_ridge", "stacking", "tcn"] = Field(
        default="banded_ridge", description="how bands become a prediction"
    )

    datasets: list[Name] = Field(description="datasets that the model is fitted to")
    bands: dict[Name, list[str]] = Field(
        min_length=1, description="band to its spaces, `space` or `space/layer`"
    )
    delays: list[Annotated[int, Field(ge=0)]] = Field(
        default=[1, 2, 3, 4], min_length=1, description="delays of the FIR model in TR"
    )
    hrf: Literal["fir", "spm"] = Field(
        default="fir", description="delays, or SPM's response with time and dispersion derivatives"
    )
    kernels: dict[Name, Literal["linear", "rbf", "polynomial"]] = Field(
        default={}, description="kernel of a band; linear if not named"
    )
    alphas: Alphas = Field(default=Alphas(), description="grid of ridge penalties")
    candidates: int = Field(default=50, ge=1, description="band weightings tried per voxel")
    components: int | None = Field(
        default=None, ge=1, description="principal components kept per space, fitted on training"
    )
    control: Literal["none", "shifted"] = Field(
        default="none", description="shifted: a negative control"
    )
    seed: int = Field(default=0, description="seed of the band weightings, or of the network")
    network: Network = Field(default=Network(), description="of `kind: tcn`")

    @model_validator(mode="after")
    def _kernels_of_bands(self) -> "EncodingModel":
        unknown = [band for band in self.kernels if band not in self.bands]
        if unknown:
            raise ValueError(f"kernels names {', '.join(unknown)}, which is no band of the model")
        return self


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


class Comparison(Section):
    """Two models of one dataset: does the first predict better than the second?"""

    first: Name = Field(description="a model")
    second: Name = Field(description="another model of the same datasets")


class Inference(Section):
    """Permutation tests of encoding models, from stored predictions; what else a paper reports.

    `null: blocks` lets the dataset's exchangeable units change places, `shift` moves the prediction
    of a film in a circle (at least 200 test volumes). `partition` names the models whose unique and
    shared variance is found by fitting nested models, and the bands to tell apart (at most four);
    an empty list takes all but those of the stream ``nuisance``, which stay in every model.
    """

    permutations: int = Field(default=1000, ge=1, description="drawn from the distinct ones")
    null: Literal["blocks", "shift"] = Field(
        default="blocks", description="blocks change places, or a film's prediction is shifted"
    )
    fdr: float = Field(default=0.05, gt=0, lt=1, description="false discovery rate of the maps")
    procedure: Literal["bh", "by"] = Field(
        default="bh", description="Benjamini-Hochberg, or Benjamini-Yekutieli (any dependence)"
    )
    seed: int = Field(default=0, description="seed of the permutations")
    partition: dict[Name, list[Name]] = Field(
        default={}, description="model to the bands whose unique and shared variance is wanted"
    )
    bootstrap: int = Field(
        default=1000, ge=100, description="resamples of test blocks, for intervals of the variance"
    )
    comparisons: list[Comparison] = Field(default=[], description="pairs of models to compare")
    regions: bool = Field(
        default=True, description="tables by region of the Harvard-Oxford atlas, for MNI volumes"
    )
