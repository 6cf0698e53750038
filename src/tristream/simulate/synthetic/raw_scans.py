"""Raw BOLD of a head that moved.

BOLD at rest is evaluated once on a grid that follows the raw image's; each raw volume is then
interpolated where head motion and distortion put its voxels.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from nibabel.openers import ImageOpener
from scipy import ndimage

from tristream.fetch.contents import raw_run
from tristream.simulate.bids_text import save_json
from tristream.simulate.synthetic.heads import Anatomy, Array, Volume
from tristream.simulate.synthetic.run_lengths import stated_of
from tristream.simulate.synthetic.transform_files import CoefficientField, rigid

# Middle of what is scanned (MNI mm).
MIDDLE = np.array([0.0, -17.0, 5.0])
# Points whose BOLD is asked for at once.
BLOCK = 20_000
# Voxels by which the grid at rest is wider than the raw one, on each side.
PADDING = 4
# Distance between knots of the two levels of the distortion field (mm), and their spread (Hz).
LEVELS = ((40.0, 40.0), (20.0, 15.0))
# Passes of the inversion of the distortion; each leaves less than a third of the error before it.
PASSES = 5


@dataclass(frozen=True)
class Acquisition:
    """How a dataset's BOLD was scanned.

    Attributes
    ----------
    shape : tuple of int
        Of a volume.
    edge : float
        Of a voxel, in mm.
    ending : str
        Of the images' names.
    echo_spacing : float
        Effective, in seconds; negative, as phase is encoded along ``j-``.
    known : bool
        Whether the real images were scanned so.
    """

    shape: tuple[int, int, int]
    edge: float
    ending: str
    echo_spacing: float
    known: bool = True

    def scaled(self, factor: float) -> "Acquisition":
        """With larger voxels; two more along each axis, as interpolation suffers at the rim."""
        if factor == 1:
            return self
        i, j, k = (int(np.ceil(n / factor)) + 2 for n in self.shape)
        return replace(self, shape=(i, j, k), edge=self.edge * factor)


# What is not known of other datasets: 216 x 216 x 144 mm hold a head.
USUAL = Acquisition((72, 72, 48), 3.0, ".nii.gz", -0.0005, known=False)
# ds003717's sidecars give the Human Connectome Project's sequence: 72 slices, eight at once, echo
# time 37 ms, spacing 0.58 ms; its images are of this shape.
ACQUISITIONS = {
    "ds003720": Acquisition((96, 96, 68), 2.0, ".nii", -0.000691085003455425),
    "ds003717": Acquisition((104, 104, 72), 2.0, ".nii.gz", -0.0005800087233),
}


def acquisition_of(dataset: str) -> Acquisition:
    """How a dataset's BOLD was scanned, or the usual where that is not known."""
    return ACQUISITIONS.get(dataset, USUAL)


@dataclass(frozen=True)
class Scan:
    """How a run's raw image lies.

    Attributes
    ----------
    shape : tuple of int
    affine : ndarray of shape (4, 4)
        Of the raw image.
    coregistration : ndarray of shape (4, 4)
        RAS mm of the T1w to RAS mm of the reference volume.
    motion : ndarray of shape (volumes, 4, 4)
        RAS mm of the reference volume to RAS mm of each volume.
    fields : tuple of CoefficientField
        Levels of the distortion field, in the space of the fieldmap.
    to_reference : ndarray of shape (4, 4)
        RAS mm of the fieldmap to RAS mm of the reference volume.
    readout : float
        Voxels per Hz along the second axis.
    """

    shape: tuple[int, int, int]
    affine: Array
    coregistration: Array
    motion: Array
    fields: tuple[CoefficientField, ...]
    to_reference: Array
    readout: float

    @property
    def rest(self) -> tuple[Array, tuple[int, ...]]:
        """Affine and shape of the grid at rest: the raw one, wider by `PADDING`."""
        affine = self.affine.copy()
        affine[:3, 3] = apply_affine(self.affine, np.full(3, -PADDING))
        return affine, tuple(n + 2 * PADDING for n in self.shape)

    @cached_property
    def shift(self) -> Volume:
        """Shift of voxels along the second axis, on the grid at rest."""
        affine, shape = self.rest
        points = apply_affine(affine, np.indices(shape).reshape(3, -1).T)
        there = apply_affine(np.linalg.inv(self.to_reference), points)
        hertz = sum((field(there) for field in self.fields), np.zeros(len(there)))
        return (self.readout * hertz).reshape(shape).astype(np.float32)

    def places(self, motion: Array, undistorted: bool = False) -> Array:
        """Where a volume's voxels lie on the grid at rest, as indices of shape (3, voxels)."""
        seen = np.indices(self.shape).reshape(3, -1).astype(float)
        to_rest = np.linalg.inv(self.rest[0]) @ np.linalg.inv(motion) @ self.affine
        matrix, offset = to_rest[:3, :3], to_rest[:3, 3:]
        places = matrix @ seen + offset
        if undistorted or not self.fields:
            return places
        true = seen.copy()
        for _ in range(PASSES):
            moved = ndimage.map_coordinates(self.shift, places, order=1, mode="nearest")
            true[1] = seen[1] - moved
            places = matrix @ true + offset
        return places


def place(acquisition: Acquisition, anatomy: Anatomy, rng: np.random.Generator) -> Scan:
    """Lay the raw image over the brain, a little oblique, the first axis to the left."""
    edge, shape = acquisition.edge, acquisition.shape
    coregistration = rigid(rng.normal(0, 3, 3), rng.normal(0, 2, 3))
    middle = apply_affine(coregistration @ anatomy.linear, MIDDLE)
    corner = rigid([-(n - 1) / 2 for n in shape], [0, 0, 0])
    affine = (
        rigid(middle + rng.normal(0, 1, 3), rng.normal(0, 3, 3))
        @ np.diag([-edge, edge, edge, 1])
        @ corner
    )
    readout = acquisition.echo_spacing * (shape[1] - 1)
    to_reference = rigid(rng.normal(0, 1, 3), rng.normal(0, 1, 3))
    # In the fieldmap's space the head lies about as in the reference volume.
    fields = tuple(_level(middle, spacing, spread, rng) for spacing, spread in LEVELS)
    motion = np.eye(4)[None]
    return Scan(shape, affine, coregistration, motion, fields, to_reference, readout)


def _level(
    middle: Array, spacing: float, spread: float, rng: np.random.Generator
) -> CoefficientField:
    size = int(np.ceil(260 / spacing)) + 3
    affine = rigid(middle, [0, 0, 0]) @ np.diag([spacing] * 3 + [1.0])
    affine = affine @ rigid([-(size - 1) / 2] * 3, [0, 0, 0])
    return CoefficientField(rng.normal(0, spread, (size, size, size)), affine)


def moved(scan: Scan, volumes: int, rng: np.random.Generator) -> Scan:
    """The scan of a head that drifts by millimetres and degrees, with a few sudden nods."""
    walk = rng.normal(0, 1, (volumes, 6))
    walk = ndimage.gaussian_filter1d(walk.cumsum(axis=0), 2, axis=0)
    walk -= walk[volumes // 2]
    walk /= max(float(np.abs(walk).max()), 1e-9)
    nods = np.zeros((volumes, 6))
    for at in rng.integers(1, volumes, size=1 + volumes // 150):
        nods[at : at + 3] += rng.normal(0, 0.15, 6)
    turned = np.array([1.5, 0.8, 0.8])
    positions = walk + nods + 0.02 * rng.normal(0, 1, (volumes, 6))
    motion = np.stack([rigid(1.5 * p[:3], turned * p[3:]) for p in positions])
    # Heads turn about a point behind the nose, not about the scanner's origin.
    centre = rigid(
        apply_affine(scan.affine, (np.array(scan.shape) - 1) / 2 - [0, 0, 10]), [0, 0, 0]
    )
    motion = centre @ motion @ np.linalg.inv(centre)
    return replace(scan, motion=motion)


def raw_volumes(scan: Scan, series: Volume, inside: npt.NDArray[np.bool_]) -> Iterator[Volume]:
    """Volumes as the scanner sees them, from BOLD (volumes, n) inside of the grid at rest."""
    rest = np.zeros(inside.shape, np.float32)
    for values, motion in zip(series, scan.motion, strict=True):
        rest[inside] = values
        yield seen_at(rest, scan, scan.places(motion))


def seen_at(rest: Volume, scan: Scan, places: Array) -> Volume:
    """A volume at rest, at places of its grid, (3, voxels), as the scanner sees it."""
    out = np.empty(places.shape[1], np.float32)
    ndimage.map_coordinates(rest, places, output=out, order=3, mode="constant")
    return out.reshape(scan.shape)


def write_run(
    raw: Path,
    subject: str,
    run: str,
    acquisition: Acquisition,
    scan: Scan,
    series: Volume,
    inside: npt.NDArray[np.bool_],
    tr: float,
) -> None:
    """Write the raw BOLD of a run, and what its sidecar lacks."""
    start = raw_run(subject, run)
    write_bold(raw / f"{start}_bold{acquisition.ending}", scan, series, inside, tr)
    given = stated_of(raw, subject, run)
    complete_sidecar(raw / f"{start}_bold.json", acquisition, tr, given)


def write_bold(
    path: Path, scan: Scan, series: Volume, inside: npt.NDArray[np.bool_], tr: float
) -> None:
    """Write raw BOLD volume by volume, as 16-bit integers with a slope."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Splines overshoot at the head's edge.
    slope = 1.3 * float(np.abs(series).max()) / np.iinfo(np.int16).max
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((*scan.shape, len(series)))
    header.set_qform(scan.affine, 1)
    header.set_sform(scan.affine, 1)
    header.set_zooms((*nib.affines.voxel_sizes(scan.affine), tr))
    header.set_xyzt_units("mm", "sec")
    header.set_slope_inter(slope, 0)
    header["magic"] = b"n+1"
    header["descrip"] = b"simulated"
    header["vox_offset"] = 352
    with ImageOpener(str(path), "wb") as file:
        header.write_to(file)
        file.write(b"\0" * (352 - file.tell()))
        for volume in raw_volumes(scan, series, inside):
            file.write(np.rint(volume / slope).astype(np.int16).tobytes(order="F"))


def complete_sidecar(
    path: Path, acquisition: Acquisition, tr: float, given: Mapping[str, Any]
) -> None:
    """Let a run's sidecar fit its image: as many slice times as slices; and what lacks, if it does.

    The real sidecar is there unless the user has the real dataset's events alone.

    Parameters
    ----------
    path : Path
        The run's own sidecar.
    acquisition : Acquisition
        How its image was scanned.
    tr : float
        Seconds.
    given : dict
        What all sidecars say that hold for the run.
    """
    stated = dict(given)
    slices, times = acquisition.shape[2], stated.get("SliceTiming", [])
    if times and len(times) != slices:
        kept = np.rint(np.linspace(0, len(times) - 1, slices)).astype(int)
        stated["SliceTiming"] = [times[k] for k in kept]
    stated.setdefault("RepetitionTime", tr)
    scanned = {
        "PhaseEncodingDirection": "j-",
        "EffectiveEchoSpacing": -acquisition.echo_spacing,
    }
    if not acquisition.known:
        # The image is not the real one's: another direction would undo distortion elsewhere.
        stated |= {**scanned, "SliceEncodingDirection": "k"}
        stated.pop("TotalReadoutTime", None)
    stated = {**scanned, **stated}
    if stated != given:
        save_json(path, stated)
