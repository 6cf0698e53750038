"""The extractors: what they are called, which layers and options they have, where they are found.

**To add an extractor**, write one module in ``tristream/features/spaces/``, or a ``.py`` file
of your own that ``module:`` of the feature space names, with one decorated function::

    '''Mean brightness of film frames.'''

    from collections.abc import Iterator
    from pathlib import Path

    from tristream.config.base import Section
    from tristream.features.core.registry import Block, extractor


    class Options(Section):
        fps: float = 4.0


    @extractor(
        "brightness",
        media="film",
        layers=("mean",),
        options=Options,
        names=lambda layer, options, p: ["brightness"],
        window=lambda layer, options: 1 / options.fps,
        methods=lambda used: f"mean grey level of {used.options.fps:g} frames a second",
    )
    def brightness(path, layers, options, weights, device) -> Iterator[dict[str, Block]]:
        '''Mean grey level of each frame.'''
        import numpy as np
        from tristream.media.films import frames

        for time, image in frames(path, fps=options.fps, size=(64, 36), format="gray"):
            centre = time + 0.5 / options.fps
            yield {"mean": Block(np.array([[image.mean()]]), np.array([centre]))}

A module of the package has the name of its extractor: it is imported when a study names the
extractor, while the Snakefile is parsed. So at its top level it imports the standard library, numpy
and tristream only; torch, OpenCV, librosa inside functions.

**Sound** is read by :func:`tristream.media.sounds.sound` (chunk by chunk) or ``read_sound``, mono
at the rate that you name; sample `i` stands at `i` / rate seconds of media time::

    @extractor(
        "loudness",
        media="sound",
        layers=("rms",),
        names=lambda layer, options, p: ["loudness"],
        window=lambda layer, options: 0.5,
        methods="root mean square of half seconds of sound",
    )
    def loudness(path, layers, options, weights, device) -> Iterator[dict[str, Block]]:
        '''Root mean square of each half second.'''
        import numpy as np
        from tristream.media.sounds import read_sound

        halves = read_sound(path, 16000)
        halves = halves[: len(halves) // 8000 * 8000].reshape(-1, 8000)
        times = 0.25 + 0.5 * np.arange(len(halves))
        yield {"rms": Block(np.sqrt((halves**2).mean(1, keepdims=True)), times)}

**A test to copy**: a medium whose answer is known, and the function called as a job calls it::

    def test_loudness(tmp_path):
        half = np.zeros(16000, np.float32)
        half[8000:] = 0.5
        soundfile.write(tmp_path / "half.wav", half, 16000, subtype="FLOAT")
        (chunk,) = loudness(tmp_path / "half.wav", ("rms",), loudness.options(), None, "cpu")
        np.testing.assert_allclose(chunk["rms"].values[:, 0], [0, 0.5], atol=1e-6)
        np.testing.assert_allclose(chunk["rms"].times, [0.25, 0.75])

**What the function gets and gives** depends on `media`:

``film``, ``sound``
    ``function(path: Path, layers: tuple[str, ...], options, weights: Path | None, device: str)
    -> Iterator[dict[str, Block]]``. `path` is a film (sound extractors get films with a sound
    track, too). `layers` are those wanted, all in one pass. `weights` is the folder that holds the
    weights that the decorator names. `device` is ``cpu``, or ``cuda`` for an extractor with
    ``uses_gpu=True``. Each yielded dict is one chunk in time order, with a :class:`Block` for each
    wanted layer: a frame or more, some tens of MB at most; chunks are stored as they come. After a
    kill the film is begun again, unless the extractor has ``can_skip=True``: then the function has
    one more parameter ``skip: int``, the number of chunks that are stored, and yields from the next
    on. The same call must cut the same chunks, whatever the layers, and a chunk should be worth a
    file (seconds of work).

    With ``takes_notes=True`` one more parameter ``notes: dict`` takes what there is to note of the
    pass (numbers, strings, booleans), such as ``notes["busy"] = 0.9``; until the last chunk is
    taken it may change. Notes go into the feature file, stimulus by stimulus;
    ``notes["window"]`` (a number) and ``notes["columns"]`` (a dict of layer to list of names) take
    the place of the decorator's ``window`` and ``names``.
``film`` with ``images=True``
    The function gets image files, too: then `path` is a tuple of paths, and the rows of the
    blocks are the images in this order, with ``times`` 0, 1, 2 …
    (:func:`tristream.features.core.frames.frame_batches` takes both,
    :func:`tristream.media.still_images.read_image` reads one). The file has ``sampling = item``. An
    extractor without it leaves images out, and its file lists them as omitted.
``label``
    ``function(items: list[str], layers, options) -> dict[str, Items]``: one row an item.
``truth``
    ``function(path: Path, layers, options) -> Iterator[tuple[str, dict[str, Block]]]``: from the
    simulator's ``truth.h5``, a stimulus's name and its blocks.

What it gives is checked: the wanted layers and no others, finite values, times (in seconds) that
rise within the medium, one name a column.

**Methods** are obligatory: a phrase for a methods section, or a function of :class:`Used` that
gives it. It completes "Feature space NAME: …", cites papers as ``[@key]`` (keys of
``references.bib``) and tells what these options make of the stimulus. Network, options, columns and
sampling are added to it.

**Layers that depend on the options or on a network**: ``layers`` (and ``default``) may be a
function ``(options, folder) -> tuple of names``, where `folder` is the folder of the network's
``config.json`` and weights (None for extractors without such weights). It runs while the Snakefile
is parsed: read JSON, import neither torch nor transformers. ``layers: [all]`` in a study means
every layer that there is.

**Where weights come from**: ``weights`` is an ``ArchiveSource`` (members of an archive of the
package index), or a function ``(options) -> source or None`` with a ``HubSource`` (a model of the
hub at a pinned commit) or a ``FolderSource`` (a local folder).
``NetworkOptions`` of :mod:`tristream.features.core.networks.network_options` has the options
``model``, ``revision`` and ``folder``; ``network_source`` beside it is such a function;
``load_network`` of :mod:`tristream.features.core.networks.load_network` loads what lies in the
folder. The extractor gets a folder whatever the source. Jobs never use the network: archives and
hub models are brought by ``tristream fetch weights --space SPACE`` (rule ``fetch_weights``) or
``tristream weights fetch``.
``reads=(options) -> list of paths`` names further files or folders of the user's whose content
decides the values (a trained checkpoint, a second network).

**What it saw** stands beside the original in ``tristream features show`` and in the report, if the
decorator gets ``preview=(path, options, at, folder) -> Preview``: the input of the computation
around `at`; `folder` is the network's folder, None where there is no network. With ``images=True``
`path` may be a tuple of images and `at` the place of one of them. ``classifier=`` (a
:class:`tristream.features.core.classifier.Classifier`) lets both draw where a network of
convolutions looks.
"""

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from tristream.config.base import Section
from tristream.config.sources import ArchiveSource, FolderSource, HubSource
from tristream.errors import UserError
from tristream.hashing import hash_text

if TYPE_CHECKING:
    import numpy as np

    from tristream.features.core.classifier import Classifier

Media = Literal["film", "sound", "label", "truth"]
SPACES = "tristream.features.spaces"

WeightSource = ArchiveSource | HubSource | FolderSource
LayerNames = Callable[[Any, Path | None], Sequence[str]]
PreviewFunction = Callable[[Any, Any, float, Path | None], "Preview | None"]
Methods = str | Callable[["Used"], str]


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


@dataclass(frozen=True)
class Preview:
    """What an extractor got to see or hear at one moment, for a reader's eye.

    Attributes
    ----------
    values : ndarray
        A picture (height, width) or (height, width, 3), a spectrogram (bands, frames) with the
        lowest band first, or a waveform (n,): in whatever range it reached the computation.
    start, stop : float
        Seconds of media time that it covers.
    what : str
        A few words: ``224 x 224 pixels, values -1 to 1``.
    """

    values: "np.ndarray"
    start: float
    stop: float
    what: str


@dataclass(frozen=True)
class Used:
    """What the features of a layer were made with: its methods text comes from it.

    Attributes
    ----------
    options : Section
        Options in effect.
    network : str
        The pretrained network, with its version or revision; empty without weights.
    notes : dict
        What the pass noted of the first stimulus.
    images : bool
        Whether the rows are images.
    """

    options: Any
    network: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)
    images: bool = False


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
    layers, default_layers : tuple of str or callable
        Layers that exist; those of a space that lists none. Ask :meth:`layers_of`.
    options : type of Section
        Typed options with defaults.
    weights : ArchiveSource, callable or None
        Pretrained weights. Ask :meth:`weights_of`.
    reads : callable
        ``reads(options)``: further local files or folders that decide the values.
    images : bool
        Whether a film extractor takes images, too.
    function : callable
        Computes the features, see the module's docstring.
    names : callable
        ``names(layer, options, p)``: one name a column.
    window : callable
        ``window(layer, options)``: seconds of stimulus that one sample covers.
    methods : str or callable
        A phrase for a methods section, or what makes it of :class:`Used`. Ask :meth:`phrase`.
    module : str
        Dotted name or path of the ``.py`` file, for the code fingerprint.
    can_skip : bool
        Whether the function can begin after chunks that are already stored.
    takes_notes : bool
        Whether the function notes something of its pass.
    uses_gpu : bool or callable
        Whether the function computes on ``device``. Ask :meth:`on_gpu`.
    preview : callable or None
        ``preview(path, options, at, folder) -> Preview``: what reaches the computation around the
        media time `at`, or for the image at this place, after every resizing, cropping and scaling.
    classifier : Classifier or None
        How to load it as a network that ends in class scores.
    stream : str
        Under which stream a study usually names it; it is free to name another.
    network_types : tuple of str
        Of networks that are read: ``model_type`` in their ``config.json``.
    fits : callable or None
        ``fits(options, folder)`` refuses a network, before any job, by what its folder says.
    """

    name: str
    media: Media
    layers: tuple[str, ...] | LayerNames
    default_layers: tuple[str, ...] | LayerNames
    options: type[Section]
    weights: ArchiveSource | Callable[[Any], WeightSource | None] | None
    reads: Callable[[Any], Sequence[str | Path]]
    images: bool
    function: Callable[..., Any]
    names: Callable[[str, Any, int], list[str]]
    window: Callable[[str, Any], float]
    methods: Methods
    module: str
    can_skip: bool = False
    takes_notes: bool = False
    uses_gpu: bool | Callable[[Any], bool] = False
    preview: PreviewFunction | None = None
    classifier: "Classifier | None" = None
    stream: str = ""
    network_types: tuple[str, ...] = ()
    fits: Callable[[Any, Path], None] | None = None

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").split("\n")[0]

    def weights_of(self, options: Section) -> WeightSource | None:
        """Where the pretrained weights come from with these options."""
        return self.weights(options) if callable(self.weights) else self.weights

    def layers_of(self, options: Section, folder: Path | None) -> tuple[str, ...]:
        """Layers that exist; `folder` holds the network."""
        return tuple(self.layers(options, folder) if callable(self.layers) else self.layers)

    def default_of(self, options: Section, folder: Path | None) -> tuple[str, ...]:
        """Layers of a space that lists none."""
        default = self.default_layers
        return tuple(default(options, folder) if callable(default) else default)

    def on_gpu(self, options: Section) -> bool:
        """Whether with these options the function computes on ``device``."""
        return self.uses_gpu(options) if callable(self.uses_gpu) else self.uses_gpu

    def phrase(self, used: Used) -> str:
        """What a methods section says of these features."""
        return self.methods(used) if callable(self.methods) else self.methods

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself; its notes are lost unless the caller gives a dict for them."""
        if self.takes_notes:
            kwargs.setdefault("notes", {})
        return self.function(*args, **kwargs)


def extractor(
    name: str,
    *,
    media: Media,
    layers: Sequence[str] | LayerNames,
    methods: Methods,
    default: Sequence[str] | LayerNames = (),
    options: type[Section] = NoOptions,
    weights: ArchiveSource | Callable[[Any], WeightSource | None] | None = None,
    reads: Callable[[Any], Sequence[str | Path]] = lambda options: (),
    images: bool = False,
    names: Callable[[str, Any, int], list[str]] = numbered,
    window: Callable[[str, Any], float] = instant,
    can_skip: bool = False,
    takes_notes: bool = False,
    uses_gpu: bool | Callable[[Any], bool] = False,
    preview: PreviewFunction | None = None,
    classifier: "Classifier | None" = None,
    stream: str = "",
    network_types: Sequence[str] = (),
    fits: Callable[[Any, Path], None] | None = None,
) -> Callable[[Callable[..., Any]], Extractor]:
    """Make the decorated function an extractor; `default` layers are all unless given.

    Raises
    ------
    ValueError
        If `methods` is empty.
    """
    if not methods:
        raise ValueError(f"extractor {name}: methods must tell what it computes")

    def decorate(function: Callable[..., Any]) -> Extractor:
        return Extractor(
            name=name,
            media=media,
            layers=_fixed(layers),
            default_layers=_fixed(default or layers),
            options=options,
            weights=weights,
            reads=reads,
            images=images,
            function=function,
            names=names,
            window=window,
            methods=methods,
            module=function.__module__,
            can_skip=can_skip,
            takes_notes=takes_notes,
            uses_gpu=uses_gpu,
            preview=preview,
            classifier=classifier,
            stream=stream,
            network_types=tuple(network_types),
            fits=fits,
        )

    return decorate


def _fixed(layers: Sequence[str] | LayerNames) -> tuple[str, ...] | LayerNames:
    return layers if callable(layers) else tuple(layers)


def known(module: str | None = None) -> dict[str, Extractor]:
    """Extractors by name: those of the package, or those of the file `module`."""
    return dict(sorted(_of_file(module).items())) if module else {n: get(n) for n in names()}


def names() -> list[str]:
    """Names of the extractors that come with the package; none is imported for it."""
    package = importlib.import_module(SPACES)
    return sorted(info.name for info in pkgutil.iter_modules(package.__path__))


def get(name: str, module: str | None = None) -> Extractor:
    """Find an extractor by name, in the package or in the file `module`.

    Of the package only the extractor's own module is imported.

    Raises
    ------
    UserError
        If there is none of this name, or `module` can't be imported.
    """
    there = list(_of_file(module)) if module else names()
    if name not in there:
        where = f"{module} has" if module else "there are"
        raise UserError(
            f"no extractor {name!r}; {where} {', '.join(there) or 'none'} "
            "(`tristream features list`; one of your own needs `module: FILE.py`)"
        )
    if module:
        return _of_file(module)[name]
    return _in(importlib.import_module(f"{SPACES}.{name}"))[name]


def _of_file(path: str) -> dict[str, Extractor]:
    """Extractors of the file `path`, which is imported once wherever its relative path leads to."""
    found = _imported(Path(path).resolve(), path)
    return {name: replace(one, module=path) for name, one in found.items()}


@cache
def _imported(file: Path, path: str) -> dict[str, Extractor]:
    if file.suffix != ".py" or not file.is_file():
        raise UserError(f"{path}: no such .py file (`module` is relative to where you run)")
    digest = hash_text(str(file))[:12]
    spec = importlib.util.spec_from_file_location(f"tristream_user_{digest}", file)
    if spec is None or spec.loader is None:
        raise UserError(f"{path}: can't be imported as a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(
            f"{path}: can't be imported: {type(error).__name__}: {error}; fix the module"
        ) from None
    return _in(module)


def _in(module: ModuleType) -> dict[str, Extractor]:
    """Extractors that `module` itself defines."""
    own = (v for v in vars(module).values() if isinstance(v, Extractor))
    return {one.name: one for one in own if one.module == module.__name__}
