"""What the general linear models of contrasts, and their maps, read of the study."""

from typing import TYPE_CHECKING, Self

from tristream.config.base import Label, Name
from tristream.config.contrast import Contrast
from tristream.config.runs import Trims
from tristream.config.settings.base import Settings, named

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class ContrastSettings(Settings):
    """One contrast of one subject; another threshold, or another dataset, refits nothing.

    `part`: seconds of each run where runs are parts of one scan.
    """

    dataset: Name
    subject: Label
    contrast: Name
    block: Contrast
    timeline: Name
    absent: list[str]
    trims: Trims
    part: float | None

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """What `contrast fit` reads."""
        name, subject = targets["contrast"], targets["subject"]
        dataset = named(resolved.datasets, targets["dataset"], "datasets")
        dataset.check_subject(subject)
        block = named(resolved.study.contrasts, name, "contrasts")
        layout = dataset.layout
        return cls(
            dataset=dataset.id,
            subject=subject,
            contrast=name,
            block=block.model_copy(update={"datasets": [dataset.id], "threshold": None}),
            timeline=dataset.timeline_of(subject),
            absent=dataset.absent_of(subject),
            trims=dataset.trims,
            part=layout.volumes * dataset.tr if layout.kind == "scan" else None,
        )
