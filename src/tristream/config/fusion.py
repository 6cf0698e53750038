"""Feature spaces that are made from others: the ``fusion:`` blocks of ``config.yaml``."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from tristream.config.base import Section
from tristream.config.feature_spaces import Stream

Variate = Literal["shared", "first", "second"]
Text = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*(/[A-Za-z0-9_]+)?$")]


class Fused(Section):
    """What all derived spaces have: their stream and their parents, in order.

    A parent is a feature space of ``features:`` (all its layers side by side) or one of its layers.
    """

    stream: Stream = Field(description="what the maps colour it as")

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the feature files that it becomes."""
        raise NotImplementedError


class Concatenation(Fused):
    """Parents side by side, each divided so that none outweighs another."""

    method: Literal["concatenate"] = "concatenate"
    parents: list[Text] = Field(min_length=2, description="`space` or `space/layer`")
    scale: Literal["band", "columns", "none"] = Field(
        default="band",
        description="total training variance of 1 a parent; z-scored columns too; as they are",
    )

    @property
    def layers(self) -> tuple[str, ...]:
        """All columns."""
        return ("concatenated",)


class PrincipalComponents(Fused):
    """Principal components of the parents side by side, each parent with a total variance of 1."""

    method: Literal["pca"] = "pca"
    parents: list[Text] = Field(min_length=1, description="`space` or `space/layer`")
    components: int = Field(default=50, ge=1, description="components kept")

    @property
    def layers(self) -> tuple[str, ...]:
        """All components."""
        return ("components",)


class Paired(Fused):
    """Directions of two parents that have something in common."""

    parents: list[Text] = Field(
        min_length=2, max_length=2, description="two of `space` or `space/layer`"
    )
    components: int = Field(default=10, ge=1, description="directions")
    reduce: int = Field(
        default=50, ge=1, description="principal components kept of each parent before"
    )
    variates: list[Variate] = Field(
        default=["shared"],
        min_length=1,
        description="layers: each parent's own directions, and their average",
    )

    @property
    def layers(self) -> tuple[str, ...]:
        """The wanted variates."""
        return tuple(dict.fromkeys(self.variates))

    @staticmethod
    def all_layers() -> tuple[str, ...]:
        """Every variate that there is."""
        return get_args(Variate)


class CanonicalCorrelation(Paired):
    """Pairs of directions whose time courses correlate most (canonical correlation analysis)."""

    method: Literal["cca"] = "cca"


class PartialLeastSquares(Paired):
    """Pairs of directions whose time courses covary most (canonical partial least squares)."""

    method: Literal["pls"] = "pls"


class JointEmbedding(Paired):
    """Two small networks that put simultaneous samples of two parents close to each other."""

    method: Literal["embedding"] = "embedding"
    components: int = Field(default=32, ge=2, description="dimensions of the joint space")
    reduce: int = Field(
        default=30, ge=1, description="principal components kept of each parent before"
    )
    hidden: int = Field(default=128, ge=1, description="units of the hidden layer of each network")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="share of units left out a step")
    apart: float = Field(
        default=2.0, ge=0, description="seconds; nearer samples are not contrasted with each other"
    )
    validation: float = Field(
        default=0.2, gt=0, lt=1, description="last share of the training film that stops training"
    )
    epochs: int = Field(default=200, ge=1, description="most passes over the training samples")
    patience: int = Field(default=15, ge=1, description="passes without progress before it stops")
    seed: int = Field(default=0, description="seed of weights and batches")


Fusion = Annotated[
    Concatenation
    | PrincipalComponents
    | CanonicalCorrelation
    | PartialLeastSquares
    | JointEmbedding,
    Field(discriminator="method"),
]


def is_fitted(block: Any) -> bool:
    """Whether a derived space learns anything from the training stimuli."""
    return not (isinstance(block, Concatenation) and block.scale == "none")
