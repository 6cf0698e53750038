"""What the recovery check of a simulated dataset reads of the study and of the preset."""

from typing import TYPE_CHECKING, Self

from tristream.config.base import Name
from tristream.config.recovery import Recovery
from tristream.config.settings.base import Settings, named
from tristream.errors import UserError

if TYPE_CHECKING:
    from tristream.config.load import Resolved
    from tristream.config.models import EncodingModel


class RecoverySettings(Settings):
    """One simulated dataset.

    `bands` are those that compete for the best band: the streams that drive voxels and are given to
    models. `oracles` are the models that are given the simulator's own signals.
    """

    permutations: int
    seed: int
    bands: list[Name]
    oracles: list[Name]
    thresholds: Recovery

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `inference recovery` reads."""
        from tristream.simulate.preset import load_preset

        dataset, study = targets["dataset"], resolved.study
        source = named(resolved.datasets, dataset, "datasets").source
        if source.kind != "simulate":
            raise UserError(f"{dataset}: is not simulated by this study; its truth is unknown here")
        preset = load_preset(source.preset)
        return cls(
            permutations=study.inference.permutations,
            seed=study.inference.seed,
            bands=[name for name, s in preset.streams.items() if s.fitted and s.linear],
            oracles=[
                name
                for name, model in study.models.items()
                if dataset in model.datasets and _is_oracle(resolved, model)
            ],
            thresholds=preset.recovery,
        )


def _is_oracle(resolved: "Resolved", model: "EncodingModel") -> bool:
    return any("truth" in streams for streams in resolved.study.streams_of(model).values())
