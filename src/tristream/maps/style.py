"""One look for every figure: fonts, colours, the words in a title, how files are saved.

The three stream colours are Paul Tol's *high-contrast* scheme, which stays apart under all common
forms of colour blindness and in grey print. The others were searched for the largest smallest
distance (CAM02-UCS) to one another and to these under each form (Machado et al. 2009, IEEE TVCG
15:1291).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from tristream.store import atomic_path

SIMULATED = "simulated BOLD"
# Of what belongs to a simulated dataset but is not BOLD: its features, from stand-in stimuli.
SIMULATED_DATA = "simulated data"
STREAM_COLOURS = {
    "ventral": "#004488",
    "dorsal": "#DDAA33",
    "auditory": "#BB5566",
    "nuisance": "#B2B2B2",
    "label": "#4D8CCB",
    "truth": "#555555",
}
SEQUENTIAL = "viridis"
OTHER_COLOURS = ("#3A6978", "#34B292", "#73730D", "#260D73", "#ED5EED", "#562929")
RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "normal",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.linewidth": 0.8,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.titlesize": 10,
    "figure.dpi": 110,
    "savefig.dpi": 130,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "tristream",
    "text.parse_math": False,
}


def titled(text: str, simulated: bool, words: str = SIMULATED) -> str:
    """A figure's title, which says when no measurement was made."""
    return f"{text} ({words})" if simulated else text


def colours_of(bands: Sequence[str], streams: Mapping[str, str]) -> dict[str, str]:
    """Colour of each band: its stream's; bands of one stream, or of none, take spare colours.

    Parameters
    ----------
    bands : sequence of str
        Names of bands.
    streams : mapping
        Band to stream. A band that is itself named like a stream has that stream's colour.
    """
    chosen: dict[str, str] = {}
    spare = iter(OTHER_COLOURS * (len(bands) // len(OTHER_COLOURS) + 1))
    for band in bands:
        colour = STREAM_COLOURS.get(band) or STREAM_COLOURS.get(streams.get(band, ""))
        if colour is None or colour in chosen.values():
            colour = next(spare)
        chosen[band] = colour
    return chosen


@contextmanager
def style() -> Iterator[None]:
    """Draw the figures of the block in the house style."""
    with plt.rc_context(RC):
        yield


def save(figure: Figure, path: Path, dpi: float | None = None) -> None:
    """Write `figure` as PNG at `path` (at `dpi`, if given) and as SVG beside it, and close it.

    The same figure gives the same bytes.
    """
    for target, metadata in (
        (path, {"Software": None}),
        (path.with_suffix(".svg"), {"Date": None}),
    ):
        with atomic_path(target) as temporary:
            figure.savefig(temporary, metadata=metadata, dpi=dpi or RC["savefig.dpi"])
        figure.set_layout_engine("none")  # it has been laid out
    plt.close(figure)
