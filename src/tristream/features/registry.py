"""The extractors: what they are called, which layers and options they have, where they are found.

**To add an extractor**, write one module in ``tristream/features/extractors/``, or a ``.py`` file
of your own that ``module:`` of the feature space names, with one decorated function::

    '''Mean brightness of film frames.'''

    from collections.abc import Iterator
    from pathlib import Path

    from tristream.config.base import Section
    from tristream.features.registry import Block, extractor


    class Options(Section):
        fps: float = 4.0


    @extractor(
        "brightness",
        media="film",
        layers=("mean",),
        options=Options,
        names=lambda layer, options, p: ["brightness"],
        window=lambda layer, options: 1 / options.fps,
    )
    def brightness(path, layers, options, weights, device) -> Iterator[dict[str, Block]]:
        '''Mean grey level of each frame.'''
        import numpy as np
        from tristream.stimuli.media import frames

        for time, image in frames(path, fps=options.fps, size=(64, 36), format="gray"):
            centre = time + 0.5 / options.fps
            yield {"mean": Block(np.array([[image.mean()]]), np.array([centre]))}

Modules are imported while the Snakefile is parsed: only the standard library, numpy and tristream
at their top level; torch, OpenCV, librosa inside functions.

**What the function gets and gives** depends on `media`:

``film``, ``sound``
    ``function(path: Path, layers: tuple[str, ...], options, weights: Path | None, device: str)
    -> Iterator[dict[str, Block]]``. `path` is a film (sound extractors get films with a sound
    track, too). `layers` are those wanted, all in one pass. `weights` is the folder that holds the
    members of the archive that the decorator names. `device` is ``cpu`` or ``cuda``. Each yielded
    dict is one chunk in time order, with a :class:`Block` for each wanted layer: a frame or more,
    some tens of MB at most; chunks are stored as they come. After a kill the film is begun again,
    unless the function has one more parameter ``skip: int = 0``: it is told how many chunks are
    stored and yields from the next on. Then the same call must cut the same chunks, whatever the
    layers, and a chunk should be worth a file (seconds of work).
``label``
    ``function(items: list[str], layers, options) -> dict[str, Items]``: one row an item.
``truth``
    ``function(path: Path, layers, options) -> Iterator[tuple[str, dict[str, Block]]]``: from the
    simulator's ``truth.h5``, a stimulus's name and its blocks.
"""

import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from tristream.config.analysis import FeatureSpace
from tristream.config.base import Section
from tristream.config.sources import ArchiveSource
from tristream.errors import UserError

if TYPE_CHECKING:
    import numpy as np

Media = Literal["film", "sound", "label", "truth"]
EXTRACTORS = "tristream.features.extractors"


@dataclass(frozen=True)
class Block:
    """Samples of one layer, in time order.

    Attributes
    ----------
    values : ndarray (n, p)
        Stored as float32; n may be 0.
    times : ndarray (n,)
        Centre of each sample's window, in seconds of media time.
    """

    values: "np.ndarray"
    times: "np.ndarray"


@dataclass(frozen=True)
class Items:
    """One row of features for each item (label extractors).

    Attributes
    ----------
    values : ndarray (items, p)
        Stored as float32.
    names : list of str
        One name a column.
    """

    values: "np.ndarray"
    names: list[str]


class NoOptions(Section):
    """For extractors without options."""


def numbered(layer: str, options: Section, p: int) -> list[str]:
    """Names of the columns of a layer whose columns have no names: ``LAYER_0001`` …"""
    return [f"{layer}_{index:04d}" for index in range(1, p + 1)]


def instant(layer: str, options: Section) -> float:
    """The window of samples that are taken at one moment: 0 s."""
    return 0.0


@dataclass(frozen=True)
class Extractor:
    """A kind of features that a feature space can name.

    Attributes
    ----------
    name : str
        What config.yaml calls it.
    media : str
        What it reads: ``film``, ``sound``, ``label`` or ``truth``.
    layers, default_layers : tuple of str
        Layers that exist; those of a space that lists none.
    options : type of Section
        Typed options with defaults.
    weights : ArchiveSource or None
        Pretrained weights that have to be fetched.
    function : callable
        Computes the features, see the module's docstring.
    names : callable
        ``names(layer, options, p)``: one name a column.
    window : callable
        ``window(layer, options)``: seconds of stimulus that one sample covers.
    module : str
        Dotted name or path of the ``.py`` file, for the code fingerprint.
    """

    name: str
    media: Media
    layers: tuple[str, ...]
    default_layers: tuple[str, ...]
    options: type[Section]
    weights: ArchiveSource | None
    function: Callable[..., Any]
    names: Callable[[str, Any, int], list[str]]
    window: Callable[[str, Any], float]
    module: str

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").split("\n")[0]

    @property
    def can_skip(self) -> bool:
        """Whether the function can begin after chunks that are already stored."""
        return "skip" in inspect.signature(self.function).parameters

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself."""
        return self.function(*args, **kwargs)


def extractor(
    name: str,
    *,
    media: Media,
    layers: Sequence[str],
    default: Sequence[str] = (),
    options: type[Section] = NoOptions,
    weights: ArchiveSource | None = None,
    names: Callable[[str, Any, int], list[str]] = numbered,
    window: Callable[[str, Any], float] = instant,
) -> Callable[[Callable[..., Any]], Extractor]:
    """Make the decorated function an extractor; `default` layers are all unless given."""

    def decorate(function: Callable[..., Any]) -> Extractor:
        return Extractor(
            name=name,
            media=media,
            layers=tuple(layers),
            default_layers=tuple(default or layers),
            options=options,
            weights=weights,
            function=function,
            names=names,
            window=window,
            module=function.__module__,
        )

    return decorate


@dataclass(frozen=True)
class CheckedSpace:
    """A feature space of config.yaml whose extractor, layers and options exist."""

    extractor: Extractor
    layers: tuple[str, ...]
    options: Section


def known(module: str | None = None) -> dict[str, Extractor]:
    """Extractors by name: those of the package, or those of the file `module`."""
    return dict(sorted((_of_file(module) if module else _packaged()).items()))


def names() -> list[str]:
    """Names of the extractors that come with the package."""
    return list(known())


def get(name: str, module: str | None = None) -> Extractor:
    """Find an extractor by name, in the package or in the file `module`.

    Raises
    ------
    UserError
        If there is none of this name, or `module` can't be imported.
    """
    found = known(module)
    if name not in found:
        where = f"{module} has" if module else "there are"
        raise UserError(
            f"no extractor {name!r}; {where} {', '.join(found) or 'none'} "
            "(`tristream features list`; one of your own needs `module: FILE.py`)"
        )
    return found[name]


def check(space: str, block: FeatureSpace, config: Path | str = "config.yaml") -> CheckedSpace:
    """Check one block of ``features:`` against its extractor.

    Parameters
    ----------
    space : str
        The feature space's name.
    block : FeatureSpace
        What config.yaml says of it.
    config : Path
        The file's name, for messages.

    Raises
    ------
    UserError
        One line that names the key: unknown extractor, layer or option, or an option's bad value.
    """
    where = f"{config}: features.{space}"
    try:
        found = get(block.extractor, block.module)
    except UserError as error:
        raise UserError(f"{where}.extractor: {error}") from None
    unknown = [layer for layer in block.layers if layer not in found.layers]
    if unknown:
        raise UserError(
            f"{where}.layers: {found.name} has no layer {', '.join(unknown)}; "
            f"it has {', '.join(found.layers)}"
        )
    try:
        options = found.options.model_validate(block.options)
    except ValidationError as error:
        raise UserError(
            "\n".join(_option_line(where, found, said) for said in error.errors())
        ) from None
    layers = tuple(dict.fromkeys(block.layers)) or found.default_layers
    return CheckedSpace(found, layers, options)


def _option_line(where: str, found: Extractor, error: Any) -> str:
    key = ".".join(["options", *(str(part) for part in error["loc"])])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        options = ", ".join(found.options.model_fields) or "none"
        message = f"unknown option; {found.name} has {options}"
    return f"{where}.{key}: {message}"


@cache
def _packaged() -> dict[str, Extractor]:
    package = importlib.import_module(EXTRACTORS)
    found: dict[str, Extractor] = {}
    for info in pkgutil.iter_modules(package.__path__, f"{EXTRACTORS}."):
        found |= _in(importlib.import_module(info.name))
    return found


@cache
def _of_file(path: str) -> dict[str, Extractor]:
    file = Path(path)
    if file.suffix != ".py" or not file.is_file():
        raise UserError(f"{path}: no such .py file (`module` is relative to where you run)")
    digest = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"tristream_user_{digest}", file)
    if spec is None or spec.loader is None:
        raise UserError(f"{path}: can't be imported as a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(
            f"{path}: can't be imported: {type(error).__name__}: {error}; mend the module"
        ) from None
    return {name: replace(one, module=path) for name, one in _in(module).items()}


def _in(module: ModuleType) -> dict[str, Extractor]:
    """Extractors that `module` itself defines."""
    own = (v for v in vars(module).values() if isinstance(v, Extractor))
    return {one.name: one for one in own if one.module == module.__name__}
