"""Feature files without an extractor."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tristream.features.core.feature_file import About, create_features
from tristream.store import Omission

Timed = tuple[np.ndarray, np.ndarray]


def write_features(
    path: Path,
    label: str,
    stimuli: Mapping[str, Timed] | None = None,
    *,
    items: Sequence[str] = (),
    values: np.ndarray | None = None,
    names: Sequence[str] = (),
    window: float = 0.0,
    simulated: bool = False,
    omitted: Sequence[Omission] = (),
    **about: Any,
) -> Path:
    """Write ``SPACE/LAYER``: values and times of stimuli, or a row for each item."""
    space, _, layer = label.partition("/")
    made = About(
        space=space,
        layer=layer or space,
        sampling="item" if items else "timed",
        **{"extractor": "made", **about},
    )
    with create_features(
        path,
        made,
        simulated=simulated,
        config={},
        code="",
        omitted=omitted,
        methods=["Features were made by a test."],
    ) as file:
        for name, (rows, times) in (stimuli or {}).items():
            file.stimulus(name, times, window, iter([rows]))
        if items:
            assert values is not None
            file.items(items, iter([values]))
        if stimuli or items:
            file.names(names or [f"unit {i}" for i in range(file.width)])
    return path
