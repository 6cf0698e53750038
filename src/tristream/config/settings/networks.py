"""What a network trained on brain and label reads of the study."""

from typing import TYPE_CHECKING, Literal, Self

from tristream.config.base import Name
from tristream.config.networks import NetworkDesign
from tristream.config.settings.base import Settings, named
from tristream.config.settings.features import StimulusFile
from tristream.errors import UserError

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class NetworkSettings(Settings):
    """One network of one dataset; `timeline` is what the subject saw."""

    dataset: Name
    network: Name
    timeline: Name
    block: NetworkDesign
    stimuli: list[StimulusFile]
    device: Literal["auto", "cpu", "cuda"]

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick one network; its other datasets do not matter.

        Raises
        ------
        UserError
            If the dataset has no stimuli that can be opened, or no held-out run.
        """
        dataset, network = targets["dataset"], targets["network"]
        block = named(resolved.study.networks, network, "networks")
        about = named(resolved.datasets, dataset, "datasets")
        about.check_subject(targets["subject"])
        where = f"networks.{network}"
        if about.stimuli.source is None:
            raise UserError(
                f"{where}.datasets: {dataset} has no stimuli that can be opened, and a network "
                "learns from them; take it out"
            )
        if not block.test and about.split.scheme != "holdout":
            raise UserError(
                f"{where}: {dataset} has no held-out run (its split is leave-one-run-out); name "
                f"some under {where}.test"
            )
        return cls(
            dataset=dataset,
            network=network,
            timeline=about.timeline_of(targets["subject"]),
            block=block.design,
            stimuli=StimulusFile.all_of(about),
            device=resolved.study.device,
        )
