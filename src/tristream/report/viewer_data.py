"""What the viewer of one subject holds: values, where they lie, and what lies under them.

Every value is kept at the places that were analysed. Slices and surfaces only point at these, so
that a click reads what the files say: no interpolation stands between.
"""

import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from nilearn.datasets import load_mni152_template

from tristream.maps.background import mean_levels
from tristream.maps.brain_figures import TWO_SIDED
from tristream.maps.strips import Brain
from tristream.maps.style import SEQUENTIAL
from tristream.maps.surface import (
    BELOW,
    HEMISPHERES,
    MIN_COVERAGE,
    Hemisphere,
    Template,
    cortex,
    mesh_of,
    relief,
    template_of,
)
from tristream.space.grayordinates import CORTEX
from tristream.space.meshes import fsaverage5_middle as middle

# Bytes of a page's data; what comes last in the list of overlays is left out beyond them.
MOST_BYTES = 4_300_000
NOTHING = -32768
# Between the hemispheres, mm.
GAP = 6.0


@dataclass(frozen=True)
class Overlay:
    """Values that can be painted, or only read.

    Attributes
    ----------
    name, what : str
        In the list of maps; in one line, what the values are.
    values : ndarray of shape (places,)
        Numbers, or with `labels` their indices.
    colours : str
        ``sequential``, ``two-sided`` or ``labels``; empty for values that are only read.
    full : float
        Where the scale ends.
    labels : mapping of str to str
        Label to colour; index 0 of the values is none of them.
    precise : bool
        Keep the file's own single precision: p values may be small.
    """

    name: str
    what: str
    values: npt.NDArray
    colours: str = ""
    full: float = 1.0
    labels: Mapping[str, str] = field(default_factory=dict)
    precise: bool = False

    def packed(self) -> dict[str, Any]:
        """As the page holds it."""
        about = {"name": self.name, "what": self.what, "colours": self.colours, "full": self.full}
        if self.labels:
            about |= {"labels": ["none", *self.labels], "palette": list(self.labels.values())}
        return about | packed_numbers(self.values, self.precise)


@dataclass(frozen=True)
class Group:
    """What belongs together: an encoding model, or a contrast.

    Attributes
    ----------
    name : str
        ``model film``.
    overlays : sequence of Overlay
        Those that matter most come first.
    significant : ndarray of bool of shape (places,) or None
        None where nothing was tested.
    test : str
        What that rests on, in words.
    regions : sequence of dict
        ``name``, ``place`` (of its largest r), ``rows`` (pairs of what and value).
    layers : mapping of str to str
        Band to the layers of features that it holds.
    details : mapping
        What is told of single voxels beside the maps, as the page holds it.
    """

    name: str
    overlays: Sequence[Overlay]
    significant: npt.NDArray[np.bool_] | None = None
    test: str = ""
    regions: Sequence[Mapping[str, Any]] = ()
    layers: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


def packed_numbers(values: npt.NDArray, precise: bool = False) -> dict[str, Any]:
    """Numbers as the page holds them: in multiples of `step`, or 0 for single precision."""
    if precise:
        return {"step": 0, "data": packed(values.astype("<f4"))}
    numbers, step = quantised(values)
    return {"step": step, "data": packed(numbers)}


def quantised(values: npt.NDArray) -> tuple[npt.NDArray[np.int16], float]:
    """Values as multiples of a power of ten, 1e-4 or more: four decimals, as tables have them.

    Values that are not known become :data:`NOTHING`.
    """
    values = np.asarray(values, float)
    known = np.isfinite(values)
    largest = float(np.abs(values[known]).max(initial=0.0))
    step = max(1e-4, 10.0 ** np.ceil(np.log10(largest / 32766))) if largest else 1e-4
    out = np.full(values.shape, NOTHING, np.int16)
    out[known] = np.rint(values[known] / step)
    return out, float(step)


def packed(values: npt.NDArray) -> str:
    """Little-endian bytes, all first ones, then all second ones, deflated, as base64.

    Neighbouring values have like first bytes, which deflate better beside each other.
    """
    values = np.ascontiguousarray(values)
    little = values.astype(values.dtype.newbyteorder("<"))
    planes = little.reshape(-1).view(np.uint8).reshape(-1, little.dtype.itemsize).T
    return b64encode(zlib.compress(planes.tobytes(), 6)).decode()


def contents(brain: Brain, groups: Sequence[Group]) -> dict[str, Any] | None:
    """All of a subject's data, as JSON can hold it; None where there is nothing to draw on.

    Parameters
    ----------
    brain : Brain
        Where the values of all groups lie.
    groups : sequence of Group
    """
    data: dict[str, Any] = {"places": len(brain.ijk), "volume": _volume(brain)}
    data["surface"] = _surface(brain)
    if data["volume"] is None and data["surface"] is None:
        return None
    data["colours"] = {
        "sequential": _table(SEQUENTIAL),
        "two-sided": _table(TWO_SIDED),
    }
    data["groups"], data["left_out"] = _fitting(groups, MOST_BYTES - size_of(data))
    return data


def size_of(data: Any) -> int:
    """Characters of all texts in nested data, about what a page needs for it."""
    if isinstance(data, Mapping):
        return sum(map(size_of, data.values()))
    if isinstance(data, str):
        return len(data)
    return sum(map(size_of, data)) if isinstance(data, list | tuple) else 8


def _fitting(groups: Sequence[Group], room: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Groups with the overlays that fit, the first of each group before the second of any."""
    out: list[dict[str, Any]] = []
    for group in groups:
        told = [{**one, "rows": [list(row) for row in one["rows"]]} for one in group.regions]
        out.append(
            {
                "name": group.name,
                "test": group.test,
                "layers": dict(group.layers),
                "regions": told,
                "details": dict(group.details),
                "significant": None,
                "overlays": [],
            }
        )
        if group.significant is not None:
            out[-1]["significant"] = packed(group.significant.astype(np.uint8))
        room -= size_of(out[-1])
    left: list[str] = []
    for rank in range(max((len(group.overlays) for group in groups), default=0)):
        for group, kept in zip(groups, out, strict=True):
            if rank < len(group.overlays):
                made = group.overlays[rank].packed()
                if size_of(made) <= room:
                    room -= size_of(made)
                    kept["overlays"].append(made)
                else:
                    left.append(f"{made['name']} of {group.name}")
    return [one for one in out if one["overlays"]], left


def _table(name: str) -> str:
    """A colour map as 256 × RGB bytes."""
    colours = plt.get_cmap(name)(np.arange(256))[:, :3]
    return packed(np.rint(255 * colours).astype(np.uint8))


def _volume(brain: Brain) -> dict[str, Any] | None:
    """Slices: the grid, the place at each voxel, and grey levels; None without voxels."""
    inside = np.ones(len(brain.ijk), bool)
    space = brain.space
    if brain.grayordinates is not None:
        inside, space = ~brain.grayordinates.on_mesh, BELOW
    if not inside.any():
        return None
    where = np.ravel_multi_index(tuple(brain.ijk[inside].T), brain.shape, order="F")
    if space.startswith("MNI"):
        grey, affine = _template()
    else:
        affine = np.asarray(brain.affine, float)
        levels = np.zeros(brain.shape)
        if brain.run is not None:
            levels = np.nan_to_num(mean_levels(brain, brain.run))
        else:
            levels[tuple(brain.ijk[inside].T)] = 0.5
        grey = np.rint(255 * levels).astype(np.uint8)
    return {
        "shape": [int(n) for n in brain.shape],
        "affine": np.asarray(brain.affine, float).round(6).tolist(),
        "place": packed(np.flatnonzero(inside).astype(np.int32)),
        "where": packed(where.astype(np.int32)),
        "grey": {
            "shape": list(grey.shape),
            "affine": np.asarray(affine, float).round(6).tolist(),
            "data": packed(grey.ravel(order="F")),
        },
    }


@cache
def _template() -> tuple[npt.NDArray[np.uint8], npt.NDArray]:
    """The MNI template at 3 mm, cut to the head."""
    image: Any = load_mni152_template(resolution=3)
    values = image.get_fdata()
    seen = np.argwhere(values > 0.05 * values.max())
    low, high = seen.min(axis=0), seen.max(axis=0) + 1
    cut = image.slicer[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return np.rint(255 * cut.get_fdata() / values.max()).clip(0, 255).astype(np.uint8), cut.affine


def _surface(brain: Brain) -> dict[str, Any] | None:
    """Both hemispheres, inflated and flat, with the place that each vertex shows (-1: none)."""
    if brain.grayordinates is not None:
        template = template_of(brain.space, brain.meshes)
    else:
        template = template_of(None, None) if brain.space.startswith("MNI") else None
    if template is None:
        return None
    places = dict(_places(brain, template))
    if not any((own >= 0).mean() >= MIN_COVERAGE for own in places.values()):
        return None
    return {
        "name": template.name,
        "measured": brain.grayordinates is not None,
        "sides": [
            {
                "side": side,
                "place": packed(places[side].astype(np.int32)),
                "grey": packed(np.rint(255 * relief(side, template)[:, 0]).astype(np.uint8)),
                **{kind: _mesh(template, kind, side) for kind in ("inflated", "flat")},
            }
            for side in HEMISPHERES
        ],
    }


def _places(brain: Brain, template: Template) -> Iterator[tuple[Hemisphere, npt.NDArray]]:
    """Of each side, which place each vertex shows.

    On the surface that was measured its own; else the voxel half-way between white and pial surface
    of fsaverage5.
    """
    for side, structure in zip(HEMISPHERES, CORTEX, strict=True):
        place = np.full(template.vertices, -1)
        if (where := brain.grayordinates) is not None:
            own = where.of(structure)
            place[brain.ijk[own, 0]] = np.flatnonzero(own)
        else:
            table = np.full(brain.shape, -1)
            table[tuple(brain.ijk.T)] = np.arange(len(brain.ijk))
            voxels = np.rint(apply_affine(np.linalg.inv(brain.affine), middle(side))).astype(int)
            inside = ((voxels >= 0) & (voxels < brain.shape)).all(axis=1) & cortex(side)
            place[inside] = table[tuple(voxels[inside].T)]
        yield side, place


@cache
def _mesh(template: Template, kind: str, side: Hemisphere) -> dict[str, str | float]:
    """A mesh, moved to its own side of the midline: those of two hemispheres may overlap."""
    coordinates, faces = mesh_of(template, kind, side)
    moved = np.array(coordinates, float)
    if kind == "flat":
        moved[:, 2] = 0
    seen = moved[np.unique(faces)]
    if side == "left":
        moved[:, 0] -= seen[:, 0].max() + GAP / 2
    else:
        moved[:, 0] -= seen[:, 0].min() - GAP / 2
    numbers, step = quantised(moved / 100)
    return {
        "step": 100 * step,
        "points": packed(numbers),
        "faces": packed(faces.astype(np.uint16)),
    }
