"""Mass-univariate tests between conditions: the ``univariate:`` blocks of ``config.yaml``."""

from pydantic import Field, model_validator

from tristream.config.base import Name, Section
from tristream.config.delays import DecoderDelay


class UnivariateDesign(Section):
    """Two conditions and how they are compared, whichever datasets have them."""

    plus: str = Field(description="label whose larger response counts up")
    minus: str = Field(description="label whose larger response counts down")
    delay: DecoderDelay | None = Field(
        default=None, description="how much later than the label its volumes are taken: `decoders`"
    )
    permutations: int = Field(default=10_000, ge=1000, description="of the largest t")
    seed: int = Field(default=0, description="seed of the permutations")

    @model_validator(mode="after")
    def _two_labels(self) -> "UnivariateDesign":
        if self.plus == self.minus:
            raise ValueError("`plus` and `minus` are the same label; name two")
        return self


class Univariate(UnivariateDesign):
    """Voxels that respond to one label more than to another, each tested by itself.

    nilearn's permuted OLS on the mean of each label in each run, corrected for all voxels by the
    largest t; beside it Bonferroni's correction, and the test that swaps labels within runs.
    """

    datasets: list[Name] = Field(description="datasets with both labels")

    @property
    def design(self) -> UnivariateDesign:
        """The comparison without its datasets."""
        return UnivariateDesign.model_validate(self.model_dump(exclude={"datasets"}))
