"""Decoders of the labels of an experiment."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tristream.config.base import Name, Section
from tristream.config.delays import DecoderDelay

ClassifierKind = Literal["ridge", "svm", "logistic", "lda", "mlp"]


class DecoderDesign(Section):
    """What a decoder is, whichever datasets it decodes."""

    kind: Literal["ridge", "svm", "logistic", "lda", "mlp", "ensemble"] = Field(
        description="ridge classifier, linear SVM, logistic regression, linear discriminant "
        "analysis, small network, or several of these together"
    )
    members: list[ClassifierKind] = Field(
        default=[],
        description="classifiers of an ensemble: each is reported, and their mean probability and "
        "majority",
    )
    samples: Literal["volumes", "blocks"] = Field(description="what one sample is")
    standardize: Literal["run", "training"] = Field(
        default="run", description="whose mean and variance scale a sample"
    )
    voxels: int | None = Field(
        default=None,
        gt=0,
        description="how many voxels are used, those with the largest F of the labels in the "
        "training samples (for two labels, the largest correlation); default: all",
    )
    regularization: float | None = Field(
        default=None,
        gt=0,
        description="alpha of ridge and network, C of SVM and logistic regression, shrinkage of "
        "LDA; default: searched within the training runs, of LDA computed (Ledoit-Wolf)",
    )
    folds: int | None = Field(
        default=None,
        ge=2,
        description="groups of runs that are held out in turn; default: every run by itself; only "
        "where no runs are held out for good",
    )
    delay: DecoderDelay | None = Field(
        default=None,
        description="how much later than the label its volumes are taken, `5 s` (a number is of "
        "seconds) or `2 TR`; default: 5 s, and 0 where rows are trials",
    )
    permutations: int = Field(default=200, ge=0, description="label permutations of the null")
    seed: int = Field(default=0, description="seed of the permutations")

    @model_validator(mode="after")
    def _members_of_an_ensemble(self) -> "DecoderDesign":
        if (self.kind == "ensemble") != bool(self.members):
            raise ValueError("`members` goes with `kind: ensemble`, and with it alone")
        if len(set(self.members)) < len(self.members) or len(self.members) == 1:
            raise ValueError("an ensemble needs two different `members` at least")
        if self.members and self.regularization is not None:
            raise ValueError("members of an ensemble search for their own `regularization`")
        if self.kind == "lda" and (self.regularization or 0) > 1:
            raise ValueError("`regularization` of LDA is a shrinkage, 1 at most")
        return self


class Decoder(DecoderDesign):
    """A classifier of the labels of an experiment.

    `samples`: every labelled volume, or one average per block. Samples are z-scored by their own
    run or by the training runs. Whatever is fitted, the choice of voxels and of the penalty
    included, is fitted to training runs alone, and anew for each permutation of the labels.
    """

    datasets: list[Name] = Field(description="datasets whose labels are decoded")
    searchlight: float | None = Field(
        default=None,
        gt=0,
        description="radius in mm: decode also from the sphere around each voxel, on surfaces from "
        "what is near each vertex along the cortex",
    )
    regions: Annotated[list[str], Field(min_length=1)] | Literal["all"] | None = Field(
        default=None,
        description="decode also from each of these regions of the dataset, or from `all` of them",
    )
    times: tuple[float, float] | None = Field(
        default=None,
        description="decode also from the single volume at each time between these two, in seconds "
        "after the onset of each block; times before the onset are a check",
    )
    across_subjects: bool = Field(
        default=False,
        description="decode also each subject by what is fitted to the others; their voxels must "
        "lie on one grid in one space",
    )

    @model_validator(mode="after")
    def _times_rise(self) -> "Decoder":
        if self.times and self.times[0] >= self.times[1]:
            raise ValueError("`times` are the first and the last, `[-4, 16]`; write them rising")
        return self

    @property
    def design(self) -> DecoderDesign:
        """The decoder without its datasets, and without what it decodes also."""
        apart = {"datasets", "searchlight", "regions", "times", "across_subjects"}
        return DecoderDesign.model_validate(self.model_dump(exclude=apart))

    @property
    def profiles(self) -> list[str]:
        """Places of the results that hold what was decoded from parts."""
        asked = {
            "searchlight": self.searchlight,
            "region_profile": self.regions,
            "time_profile": self.times,
        }
        return [place for place, given in asked.items() if given is not None]
