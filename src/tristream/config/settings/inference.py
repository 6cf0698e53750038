"""What tests of fitted models, their comparison and the group level read of the study."""

from typing import TYPE_CHECKING, Literal, Self

from tristream.config.base import Label, Name
from tristream.config.runs import ExchangeUnit
from tristream.config.settings.base import Settings, named

if TYPE_CHECKING:
    from tristream.config.load import Resolved

Procedure = Literal["bh", "by"]


class InferenceSettings(Settings):
    """The test of any model of one dataset."""

    unit: ExchangeUnit
    permutations: int
    most_permutations: int
    spatial: tuple[Literal["cluster_mass", "tfce"], ...]
    cluster_z: float
    null: Literal["blocks", "shift"]
    fdr: float
    procedure: Procedure
    seed: int

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `inference encoding` reads."""
        return cls(**_of_inference(cls, resolved), unit=_unit(resolved, targets["dataset"]))


class CompareSettings(Settings):
    """The comparison of any two models of one dataset."""

    unit: ExchangeUnit
    permutations: int
    most_permutations: int
    fdr: float
    procedure: Procedure
    seed: int

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `inference compare` reads."""
        return cls(**_of_inference(cls, resolved), unit=_unit(resolved, targets["dataset"]))


class PartitionTestSettings(Settings):
    """The test of unique and shared variance of any model."""

    permutations: int
    most_permutations: int
    fdr: float
    procedure: Procedure
    seed: int

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `inference partition` reads."""
        return cls(**_of_inference(cls, resolved))


class GroupSettings(Settings):
    """The group level of any model, comparison, partition, decoder or contrast of one dataset.

    `timelines`: of each subject; those who share one met the same stimuli at the same times.
    """

    unit: ExchangeUnit
    timelines: dict[Label, Name]
    permutations: int
    most_permutations: int
    fdr: float
    procedure: Procedure
    seed: int

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `inference group` reads."""
        dataset = named(resolved.datasets, targets["dataset"], "datasets")
        subjects = resolved.subjects[dataset.id]
        return cls(
            **_of_inference(cls, resolved),
            unit=dataset.exchange.unit,
            timelines={subject: dataset.timeline_of(subject) for subject in subjects},
        )


def _of_inference(kind: type[Settings], resolved: "Resolved") -> dict:
    """The keys of ``inference:`` that the settings have, too."""
    section = resolved.study.inference
    return {key: getattr(section, key) for key in kind.model_fields if hasattr(section, key)}


def _unit(resolved: "Resolved", dataset: Name) -> ExchangeUnit:
    return named(resolved.datasets, dataset, "datasets").exchange.unit
