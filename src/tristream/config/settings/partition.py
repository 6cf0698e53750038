"""What variance partitions read of the study."""

from typing import TYPE_CHECKING, Literal, Self

from tristream.config.base import Name
from tristream.config.models import EncodingDesign
from tristream.config.settings.base import Settings, named
from tristream.errors import UserError

if TYPE_CHECKING:
    from tristream.config.load import Resolved
    from tristream.config.study import Study

NUISANCE = ["nuisance"]
# Nested models are fitted to every set of bands, 2^4 - 1 of them.
MOST_BANDS = 4


class PartitionSettings(Settings):
    """The bands of one model whose unique and shared variance is wanted.

    `bands` are in the order of their names; the others stay in every nested model.
    """

    dataset: Name
    model: Name
    block: EncodingDesign
    bands: list[Name]
    device: Literal["auto", "cpu", "cuda"]

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick one model and its bands: those that the study names, or all but nuisance bands.

        Raises
        ------
        UserError
            If there are more bands than can be partitioned, or none.
        """
        study, model = resolved.study, targets["model"]
        named(resolved.datasets, targets["dataset"], "datasets")
        block = named(study.models, model, "models")
        wanted = partitioned(study, model)
        if not 1 <= len(wanted) <= MOST_BANDS:
            raise UserError(
                f"inference.partition.{model}: {len(wanted)} bands ({', '.join(wanted)}); name "
                f"one to {MOST_BANDS}, the others stay in every model"
            )
        return cls(
            dataset=targets["dataset"],
            model=model,
            block=block.fitted_design,
            bands=wanted,
            device=study.device,
        )


def partitioned(study: "Study", model: Name) -> list[Name]:
    """Bands of a model that are partitioned, by name: those asked for, or all but nuisance."""
    block = study.models[model]
    wanted = study.inference.partition.get(model) or [
        band for band, streams in study.streams_of(block).items() if streams != NUISANCE
    ]
    return sorted(wanted)
