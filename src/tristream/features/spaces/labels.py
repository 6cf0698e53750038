"""Labels of the experiment: one column a label."""

import numpy as np

from tristream.config.base import Section
from tristream.features.core.registry import Items, extractor


@extractor(
    "labels",
    media="label",
    layers=("identity",),
    methods="one column for each label of the events, 1 while it is shown and 0 otherwise",
    stream="label",
)
def labels(items: list[str], layers: tuple[str, ...], options: Section) -> dict[str, Items]:
    """One column a label: 1 while it is shown, 0 else."""
    return {layer: Items(np.eye(len(items), dtype=np.float32), list(items)) for layer in layers}
