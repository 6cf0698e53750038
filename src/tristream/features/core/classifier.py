"""Networks of convolutions that end in class scores, as Grad-CAM needs them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ClassNetwork:
    """A network on the CPU.

    Attributes
    ----------
    scores : callable
        Class scores before softmax (n, classes) of a batch of pictures.
    layer : module
        The last one whose maps have places in the picture.
    """

    scores: Callable[[Any], Any]
    layer: Any


def always(options: Any, folder: Path | None) -> bool:
    """Whatever the options, there are class scores."""
    return True


@dataclass(frozen=True)
class Classifier:
    """What an extractor offers so that one can draw where its network looks.

    Attributes
    ----------
    load : callable
        ``load(options, folder)``: the network; `folder` holds its weights.
    exists : callable
        ``exists(options, folder)``: whether with these options there are class scores.
    """

    load: Callable[[Any, Path | None], ClassNetwork]
    exists: Callable[[Any, Path | None], bool] = always
