"""Permutation tests of encoding models, comparisons, partitions."""

from typing import Literal

from pydantic import Field

from tristream.config.base import Name, Section


class Comparison(Section):
    """Two models of one dataset: does the first predict better than the second?"""

    first: Name = Field(description="a model")
    second: Name = Field(description="another model of the same datasets")


class Inference(Section):
    """Permutation tests of encoding models, from stored predictions; what else a paper reports.

    `null: blocks` lets the dataset's exchangeable units change places, `shift` moves the prediction
    of a film in a circle (at least 200 test volumes). `partition` names the models whose unique and
    shared variance is found by fitting nested models, and the bands to partition (at most four);
    an empty list takes all but those of the stream ``nuisance``, which stay in every model.

    All voxels get `permutations`. Those that are not decided go on to as many as one voxel needs to
    pass `fdr` alone (the number of voxels over `fdr`; more for ``by``), which takes seconds where
    predictions are permuted; where models are refitted, `permutations` are all there are. `spatial`
    holds as many maps in memory (4 bytes a voxel); of 80,000 voxels and 1,000 permutations
    ``cluster_mass`` takes seconds and ``tfce`` a minute.
    """

    permutations: int = Field(
        default=1000, ge=1, description="of all voxels, drawn from the distinct ones"
    )
    most_permutations: int = Field(
        default=5_000_000,
        ge=1,
        description="limit for voxels that are not decided by fewer; `permutations`: none go on",
    )
    spatial: list[Literal["cluster_mass", "tfce"]] = Field(
        default=["cluster_mass", "tfce"], description="family-wise tests of what extends in space"
    )
    cluster_z: float = Field(
        default=3.1, gt=0, description="standardised statistic above which voxels form clusters"
    )
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
    comparisons: list[Comparison] = Field(default=[], description="pairs of models to compare")
    regions: bool = Field(
        default=True, description="tables by region of the Harvard-Oxford atlas, for MNI volumes"
    )
