"""Features at the times of volumes: exact averages of irregular samples under a triangle.

A feature is known at the centres of its samples and taken to be linear in between. Its value at a
volume is the integral of this curve under a triangle that reaches one TR to either side of the
volume's time stamp:

    x(t) = ∫ f(m) Λ((m − t) / TR) / TR dm.

Three things speak for the triangle. It attenuates frequencies above the volumes' Nyquist limit by
sinc²(f TR), and a frequency of one cycle a TR altogether, so that cuts and flashes don't alias. Its
shifts by whole TRs add up to 1 and keep first moments, so that an event keeps its strength and its
centre of gravity wherever it falls between volumes. And a finite impulse response on top of it is
the haemodynamic response that is linear between the delays, instead of a staircase (as under a
boxcar).

The integrals are closed forms: with the antiderivatives K₁ and K₂ of the kernel, a sample's weight
is a second difference of K₂ (integration by parts), whatever the spacing of the samples. A curve
ends with its event; outside of events a film's features take their mean over what the run shows,
which says "no deviation", as zero would be a huge deviation for a log energy. Items (labels,
images) are boxcars under the same triangle and are zero outside, as in a general linear model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

Array = npt.NDArray[np.float64]

# Samples closer to an event's edge than this coincide with it (s).
COINCIDE = 1e-6
# Feature columns that are converted to double precision at a time.
COLUMNS = 512


@dataclass(frozen=True)
class Piece:
    """An interval of a film or sound, shown in a run.

    Attributes
    ----------
    values : ndarray of shape (samples, p)
        Features of the whole stimulus, or at least of the samples around the interval.
    times : ndarray of shape (samples,)
        Centres of the samples in seconds of media time, rising.
    onset, duration : float
        Seconds of the run.
    media_start : float
        Second of the stimulus that is shown at `onset`.
    """

    values: npt.NDArray[np.float32]
    times: Array
    onset: float
    duration: float
    media_start: float


def resample_timed(volumes: Array, tr: float, pieces: Sequence[Piece]) -> npt.NDArray[np.float32]:
    """Features of films and sounds at the volumes of one run.

    Parameters
    ----------
    volumes : ndarray of shape (t,)
        Seconds of the run at which the volumes stand.
    tr : float
        Seconds; half the width of the triangle.
    pieces : list of Piece
        What the run shows; at least one.

    Returns
    -------
    ndarray of float32, shape (t, p)
        Outside of the pieces their mean over time.
    """
    weights = [_weights(volumes, tr, piece) for piece in pieces]
    total = sum(piece.duration for piece in pieces)
    out = np.empty((len(volumes), pieces[0].values.shape[1]), np.float32)
    for start in range(0, out.shape[1], COLUMNS):
        here = slice(start, start + COLUMNS)
        values = [np.asarray(piece.values[:, here], np.float64) for piece in pieces]
        pairs = list(zip(weights, values, strict=True))
        mean = np.sum([w.integral @ v for w, v in pairs], axis=0) / total
        out[:, here] = mean + sum(w.matrix @ v - w.covered[:, None] * mean for w, v in pairs)
    return out


def mean_over(piece: Piece) -> npt.NDArray[np.float32]:
    """Mean over time of an interval's features, shape (p,)."""
    integral = _weights(np.array([piece.onset]), 1.0, piece).integral
    mean = integral @ np.asarray(piece.values, np.float64) / piece.duration
    return np.asarray(mean, np.float32)


def resample_items(
    volumes: Array, tr: float, onsets: Array, durations: Array, vectors: Array
) -> npt.NDArray[np.float32]:
    """Features of items at the volumes of one run: boxcars under the triangle, zero outside.

    Parameters
    ----------
    volumes : ndarray of shape (t,)
        Seconds of the run at which the volumes stand.
    tr : float
        Seconds.
    onsets, durations : ndarray of shape (events,)
        Seconds of the run; an event of duration 0 counts as a brief one of the area of one TR.
    vectors : ndarray of shape (events, p)
        The item's features at each event.

    Returns
    -------
    ndarray of float32, shape (t, p)
    """
    return (shares(volumes, tr, onsets, durations) @ vectors).astype(np.float32)


def shares(volumes: Array, tr: float, onsets: Array, durations: Array) -> Array:
    """How much of the triangle at each volume every event fills, (t, events).

    Parameters
    ----------
    volumes, tr, onsets, durations
        As of :func:`resample_items`.
    """
    start = onsets[None, :] - volumes[:, None]
    share = _k1(start + durations[None, :], tr) - _k1(start, tr)
    brief = durations == 0
    share[:, brief] = np.maximum(1 - np.abs(start[:, brief]) / tr, 0)
    return share


@dataclass(frozen=True)
class _Weights:
    """`matrix` (t, samples): weights of the samples; `covered` (t,): share of the triangle that
    lies in the piece; `integral` (samples,): weights of the integral over the piece."""

    matrix: csr_array
    covered: Array
    integral: Array


def _weights(volumes: Array, tr: float, piece: Piece) -> _Weights:
    first, last = piece.media_start, piece.media_start + piece.duration
    within = np.flatnonzero((piece.times > first + COINCIDE) & (piece.times < last - COINCIDE))
    nodes = np.concatenate([[first], piece.times[within], [last]])
    at_nodes = _at_nodes(nodes, within, piece.times)
    centres = volumes - piece.onset + piece.media_start
    rows = [_node_weights(nodes, centre, tr) for centre in centres]
    indptr = np.concatenate([[0], np.cumsum([len(w) for _, w in rows])])
    indices = np.concatenate([start + np.arange(len(w)) for start, w in rows])
    data = np.concatenate([w for _, w in rows])
    matrix = csr_array((data, indices, indptr), shape=(len(volumes), len(nodes)))
    gaps = np.diff(nodes)
    trapezoid = np.concatenate([[0], gaps / 2]) + np.concatenate([gaps / 2, [0]])
    covered = _k1(last - centres, tr) - _k1(first - centres, tr)
    return _Weights(matrix @ at_nodes, covered, at_nodes.T @ trapezoid)


def _at_nodes(nodes: Array, within: npt.NDArray[np.intp], times: Array) -> csr_array:
    """Matrix (nodes, samples) that gives the curve at the nodes: the samples, and the two ends."""
    rows = [np.arange(1, len(nodes) - 1)]
    columns, data = [within], [np.ones(len(within))]
    for row in (0, len(nodes) - 1):
        right = min(int(np.searchsorted(times, nodes[row])), len(times) - 1)
        left = max(right - 1, 0)
        gap = times[right] - times[left]
        share = np.clip((nodes[row] - times[left]) / gap, 0, 1) if gap > 0 else 1.0
        rows.append(np.array([row, row]))
        columns.append(np.array([left, right]))
        data.append(np.array([1 - share, share]))
    where = (np.concatenate(rows), np.concatenate(columns))
    return csr_array((np.concatenate(data), where), shape=(len(nodes), len(times)))


def _node_weights(nodes: Array, centre: float, tr: float) -> tuple[int, Array]:
    """Weights of the nodes under the triangle at `centre`; the first node that has one."""
    start = max(int(np.searchsorted(nodes, centre - tr, "right")) - 1, 0)
    stop = min(int(np.searchsorted(nodes, centre + tr, "left")) + 1, len(nodes))
    x = nodes[start:stop] - centre
    if len(x) < 2:
        return start, np.empty(0)
    slopes = np.diff(_k2(x, tr)) / np.diff(x)
    return start, np.diff(np.concatenate([_k1(x[:1], tr), slopes, _k1(x[-1:], tr)]))


def _k1(x: Array, tr: float) -> Array:
    """Antiderivative of the triangle of area 1 that reaches from −tr to tr; odd."""
    x = np.clip(x, -tr, tr)
    return x / tr - x * np.abs(x) / (2 * tr**2)


def _k2(x: Array, tr: float) -> Array:
    """Antiderivative of `_k1`; even."""
    near = tr / 6 + x**2 / (2 * tr) - np.abs(x) ** 3 / (6 * tr**2)
    return np.where(np.abs(x) <= tr, near, np.abs(x) / 2)
