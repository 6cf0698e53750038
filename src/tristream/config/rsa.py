"""Representational similarity of layers and regions: the ``rsa:`` blocks of ``config.yaml``."""

from typing import Literal

from pydantic import Field

from tristream.config.base import Name, Section
from tristream.config.delays import DecoderDelay


class PatternDesign(Section):
    """Which patterns are compared with one another, and by which distance."""

    features: list[str] = Field(
        min_length=1, description="feature spaces to compare, or `space/layer` of one"
    )
    regions: list[str] = Field(
        default=[], description="regions of the dataset; default: all voxels as one"
    )
    items: Literal["tested", "trained", "all"] = Field(
        default="tested",
        description="items of the held-out runs (of all runs under leave-one-run-out), of the "
        "training runs, or of both",
    )
    imagined: list[str] = Field(
        default=[], description="runs, or patterns, in which items were imagined: left out"
    )
    delay: DecoderDelay | None = Field(
        default=None,
        description="how much later than the item its volumes are taken, as of a decoder; default: "
        "5 s, and 0 where rows are trials",
    )
    distance: Literal["correlation", "crossvalidated"] = Field(
        default="correlation",
        description="of patterns: 1 - r of means over showings; `crossvalidated`: squared "
        "Euclidean distance between differences in different runs, whose mean is 0 where two "
        "items do not differ; every two items must share two runs",
    )
    feature_distance: Literal["correlation", "euclidean"] = Field(
        default="correlation", description="of features: 1 - r over units, or Euclidean distance"
    )


class ComparisonDesign(Section):
    """How distances of patterns are compared with those of features."""

    comparison: Literal["spearman", "kendall", "cosine"] = Field(
        default="spearman",
        description="Spearman's r; Kendall's tau-a, for features of few different distances; the "
        "cosine, for crossvalidated distances, whose zero means something",
    )
    permutations: int = Field(default=10_000, ge=0, description="of the identity of items")
    seed: int = Field(default=0, description="of the permutations")


class Rsa(PatternDesign, ComparisonDesign):
    """Representational similarity analysis (Kriegeskorte et al. 2008).

    Which items are far from one another in a layer, and which are in a region? Items change places
    under the null hypothesis; the noise ceiling is that of Nili et al. (2014). Datasets whose
    exchangeable unit is ``time`` have no items.
    """

    datasets: list[Name] = Field(description="datasets whose items are compared")

    @property
    def patterns(self) -> PatternDesign:
        """What distances are made from."""
        return PatternDesign.model_validate(
            self.model_dump(include=set(PatternDesign.model_fields))
        )

    @property
    def compared(self) -> ComparisonDesign:
        """How they are compared."""
        own = set(ComparisonDesign.model_fields)
        return ComparisonDesign.model_validate(self.model_dump(include=own))
