"""A subject as fMRIPrep's minimal outputs hold it: raw BOLD that moved, and what undoes it.

A head is made from the ICBM152 average that nilearn ships, bent a little, so that template, T1w
and BOLD differ by transforms that are known as formulas. Its BOLD at rest is evaluated once on a
grid that follows the raw image's; each raw volume is then interpolated where head motion and
distortion put its voxels. Nothing is read back from the files that are written. The BOLD knows
places, not tissues: aCompCor finds its masks here, and takes out some of the responses, too.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from nibabel.openers import ImageOpener
from nilearn import datasets
from scipy import ndimage

from tristream import __version__
from tristream.config.dataset import Dataset
from tristream.errors import UserError
from tristream.simulate.bids_text import save_json
from tristream.simulate.synthetic.settings import Responses, SyntheticSettings
from tristream.simulate.synthetic.transform_files import (
    CoefficientField,
    rigid,
    write_affines,
    write_composite,
)

Array = npt.NDArray[np.float64]
Volume = npt.NDArray[np.float32]
TEMPLATE = "MNI152NLin2009cAsym"
# Middle of what is scanned (MNI mm).
MIDDLE = np.array([0.0, -17.0, 5.0])
# Size of brains, relative to the template's, which is large.
SIZE = (0.85, 0.91)
# BOLD is there up to so many voxels outside of the brain: splines ring where it ends.
MARGIN = 4.5
# Edge of the T1w's voxels at scale 1, and the largest, as noise masks keep three voxels away from
# grey matter; spacing of the displacement field's nodes (mm).
T1W_EDGE, LARGEST_EDGE, NODE = 1.0, 1.5, 5.0
# Voxels by which the grid at rest is wider than the raw one, on each side.
PADDING = 4
# Points whose BOLD is asked for at once.
BLOCK = 20_000
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
    """

    shape: tuple[int, int, int]
    edge: float
    ending: str
    echo_spacing: float

    def scaled(self, factor: float) -> "Acquisition":
        """With larger voxels; two more along each axis, as interpolation suffers at the rim."""
        if factor == 1:
            return self
        i, j, k = (int(np.ceil(n / factor)) + 2 for n in self.shape)
        return Acquisition((i, j, k), self.edge * factor, self.ending, self.echo_spacing)


# ds003717's sidecars give the Human Connectome Project's sequence: 72 slices, eight at once, echo
# time 37 ms, spacing 0.58 ms; its images are of this shape.
ACQUISITIONS = {
    "ds003720": Acquisition((96, 96, 68), 2.0, ".nii", -0.000691085003455425),
    "ds003717": Acquisition((104, 104, 72), 2.0, ".nii.gz", -0.0005800087233),
}


@dataclass(frozen=True)
class Anatomy:
    """How a subject's T1w lies to the template.

    `linear` maps displaced template points to the T1w (RAS mm); `waves`, shape (3, 3), are phases
    of the displacement, which is `bend` mm at most along each axis.
    """

    linear: Array
    waves: Array
    bend: float = 2.5

    def displacement(self, template: Array) -> Array:
        """Displacement of template points (mm), smooth."""
        x, y, z = template.T
        parts = [
            np.sin(y / 26 + self.waves[0, 0]) * np.cos(z / 30 + self.waves[0, 1]),
            np.cos(x / 29 + self.waves[1, 0]) * np.sin(z / 25 + self.waves[1, 1]),
            np.sin(x / 31 + self.waves[2, 0]) * np.cos(y / 27 + self.waves[2, 1]),
        ]
        return self.bend * np.stack(parts, axis=1)

    def to_t1w(self, template: Array) -> Array:
        """Points of the template in the T1w."""
        return apply_affine(self.linear, template + self.displacement(template))

    def to_template(self, t1w: Array) -> Array:
        """Points of the T1w in the template; the displacement is small enough to iterate."""
        target = apply_affine(np.linalg.inv(self.linear), t1w)
        template = target.copy()
        for _ in range(8):
            template = target - self.displacement(template)
        return template


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
        if undistorted:
            return places
        true = seen.copy()
        for _ in range(PASSES):
            moved = ndimage.map_coordinates(self.shift, places, order=1, mode="nearest")
            true[1] = seen[1] - moved
            places = matrix @ true + offset
        return places


def write_minimal_subject(
    raw: Path,
    derivatives: Path,
    descriptor: Dataset,
    settings: SyntheticSettings,
    subject: str,
    responses: Responses,
    rng: np.random.Generator,
) -> None:
    """Write a subject's raw BOLD and its minimal derivatives.

    The runs' sidecars lie there already, copied from the real dataset, if the user has them.

    Parameters
    ----------
    raw, derivatives : Path
        Root of the dataset and of the derivative dataset.
    descriptor : Dataset
        Its `id` names the acquisition, `tr` is in seconds.
    settings : SyntheticSettings
        Runs, of which those are written that the subject has, and scale.
    subject : str
        Label without ``sub-``.
    responses : callable
        BOLD (volumes, n) of a run at MNI points, see `Responses`.
    rng : numpy Generator
        Of anatomy, positions and motion.

    Raises
    ------
    UserError
        If nothing is known of the dataset's acquisition.
    """
    if descriptor.id not in ACQUISITIONS:
        raise UserError(
            f"{descriptor.id}: raw images can be simulated like those of "
            f"{', '.join(ACQUISITIONS)} only; take one of these"
        )
    acquisition = ACQUISITIONS[descriptor.id].scaled(settings.scale)
    anatomy = Anatomy(
        rigid(rng.normal(0, 3, 3), rng.normal(0, 3, 3)) @ np.diag([*rng.uniform(*SIZE, 3), 1.0]),
        rng.uniform(0, 2 * np.pi, (3, 3)),
    )
    write_description(derivatives)
    home = derivatives / f"sub-{subject}"
    for folder in ("anat", "func", "fmap"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    brain = write_anatomy(home / "anat", subject, anatomy, settings.scale)
    runs = [run for run in descriptor.runs_of(subject) if run in settings.runs]
    for number, run in enumerate(runs):
        scan = place(acquisition, anatomy, rng)
        points, inside = brain.around(scan, anatomy)
        series = np.concatenate(
            [responses(run, points[k : k + BLOCK]) for k in range(0, len(points), BLOCK)], axis=1
        )
        scan = moved(scan, len(series), rng)
        stem = f"sub-{subject}_{run}"
        path = raw / f"sub-{subject}/func/{stem}_bold{acquisition.ending}"
        write_bold(path, scan, series, inside, descriptor.tr)
        complete_sidecar(path.with_name(f"{stem}_bold.json"), acquisition, descriptor.tr)
        write_transforms(home, subject, run, number, scan)
        write_references(home / "func", stem, scan, series.mean(axis=0), inside)


@dataclass(frozen=True)
class Brain:
    """Distance to the brain (mm; 0 inside), an image in T1w space with its affine."""

    distance: Volume
    affine: Array

    def around(self, scan: Scan, anatomy: Anatomy) -> tuple[Array, npt.NDArray[np.bool_]]:
        """MNI points of the grid at rest in and near the brain, and which of the grid they are."""
        affine, shape = scan.rest
        to_t1w = np.linalg.inv(scan.coregistration) @ affine
        t1w = apply_affine(to_t1w, np.indices(shape).reshape(3, -1).T)
        index = apply_affine(np.linalg.inv(self.affine), t1w).T
        far = ndimage.map_coordinates(self.distance, index, order=1, mode="nearest")
        inside = far <= MARGIN * float(np.linalg.norm(affine[:3, 0]))
        return anatomy.to_template(t1w[inside]), inside.reshape(shape)


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
        yield _seen(rest, scan, scan.places(motion))


def _seen(rest: Volume, scan: Scan, places: Array) -> Volume:
    out = np.empty(places.shape[1], np.float32)
    ndimage.map_coordinates(rest, places, output=out, order=3, mode="constant")
    return out.reshape(scan.shape)


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


def complete_sidecar(path: Path, acquisition: Acquisition, tr: float) -> None:
    """Let a run's sidecar fit its image: as many slice times as slices; and what lacks, if it does.

    The real sidecar is there unless the user has the real dataset's events alone.
    """
    stated = json.loads(path.read_text(encoding="utf-8-sig")) if path.is_file() else {}
    before = dict(stated)
    slices, times = acquisition.shape[2], stated.get("SliceTiming", [])
    if times and len(times) != slices:
        kept = np.rint(np.linspace(0, len(times) - 1, slices)).astype(int)
        stated["SliceTiming"] = [times[k] for k in kept]
    stated.setdefault("RepetitionTime", tr)
    stated.setdefault("PhaseEncodingDirection", "j-")
    stated.setdefault("EffectiveEchoSpacing", -acquisition.echo_spacing)
    if stated != before:
        save_json(path, stated)


def write_transforms(home: Path, subject: str, run: str, number: int, scan: Scan) -> None:
    """Write head motion, coregistration and the distortion field of a run."""
    stem = home / f"func/sub-{subject}_{run}"
    write_affines(Path(f"{stem}_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt"), scan.motion)
    write_affines(
        Path(f"{stem}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt"), [scan.coregistration]
    )
    label = f"auto{number:05}"
    write_affines(Path(f"{stem}_from-boldref_to-{label}_mode-image_xfm.txt"), [scan.to_reference])
    # Fieldmaps carry the run but not the task.
    entities = [f"sub-{subject}", *(e for e in run.split("_") if not e.startswith("task-"))]
    start = f"{'_'.join(entities)}_fmapid-{label}_desc"
    names = []
    for level, field in enumerate(scan.fields):
        names.append(f"{start}-coeff{level}_fieldmap.nii.gz")
        field.write(home / "fmap" / names[-1])
    stated = {
        "AssociatedCoefficients": names,
        # With an underscore, as fMRIPrep 23.2 has it.
        "B0FieldIdentifier": f"auto_{number:05}",
        "Units": "Hz",
    }
    save_json(home / "fmap" / f"{start}-preproc_fieldmap.json", stated)


def write_references(
    func: Path, stem: str, scan: Scan, mean: Volume, inside: npt.NDArray[np.bool_]
) -> None:
    """Write the reference volumes: as scanned, and without distortion."""
    rest = np.zeros(inside.shape, np.float32)
    rest[inside] = mean
    for kind in ("hmc", "coreg"):
        places = scan.places(np.eye(4), undistorted=kind == "coreg")
        image = nib.Nifti1Image(_seen(rest, scan, places), scan.affine)
        nib.save(image, func / f"{stem}_desc-{kind}_boldref.nii.gz")


def write_anatomy(anat: Path, subject: str, anatomy: Anatomy, scale: float) -> Brain:
    """Write T1w, brain mask, tissue maps and the transform to the template."""
    edge = min(T1W_EDGE * scale, LARGEST_EDGE)
    sides = np.array([[-90.0, -125, -75], [90, 90, 100]])
    corners = np.stack(np.meshgrid(*sides.T, indexing="ij"), axis=-1).reshape(-1, 3)
    there = anatomy.to_t1w(corners)
    affine = np.diag([edge] * 3 + [1.0])
    affine[:3, 3] = there.min(axis=0)
    shape = np.ceil(np.ptp(there, axis=0) / edge).astype(int)
    points = anatomy.to_template(apply_affine(affine, np.indices(shape).reshape(3, -1).T))
    maps = {
        "GM": datasets.load_mni152_gm_template(resolution=2),
        "WM": datasets.load_mni152_wm_template(resolution=2),
        "T1w": datasets.load_mni152_template(resolution=2),
        "brain": datasets.load_mni152_brain_mask(resolution=2),
    }
    found = {name: _at(image, points).reshape(shape) for name, image in maps.items()}
    inside = found["brain"] > 0.5
    written = {
        "desc-brain_mask": inside.astype(np.uint8),
        "desc-preproc_T1w": 1000 * found["T1w"],
    }
    # The template's maps are blurred by many people; the tissues of one have borders.
    grey, white = found["GM"], found["WM"]
    tissue = np.argmax([grey, white, 1 - grey - white], axis=0)
    for number, name in enumerate(("GM", "WM", "CSF")):
        written[f"label-{name}_probseg"] = ((tissue == number) & inside).astype(np.float32)
    for name, values in written.items():
        nib.save(nib.Nifti1Image(values, affine), anat / f"sub-{subject}_{name}.nii.gz")
    save_json(anat / f"sub-{subject}_desc-brain_mask.json", {"RawSources": [], "Type": "Brain"})
    save_json(anat / f"sub-{subject}_desc-preproc_T1w.json", {"SkullStripped": False})
    start = np.array([-100.0, -136, -82])
    nodes = np.ceil((np.array([100.0, 100, 118]) - start) / NODE).astype(int) + 1
    xfm = anat / f"sub-{subject}_from-T1w_to-{TEMPLATE}_mode-image_xfm.h5"
    write_composite(xfm, anatomy.linear, anatomy.displacement, NODE, nodes.tolist(), start)
    distance = ndimage.distance_transform_edt(~inside, sampling=edge)
    return Brain(distance.astype(np.float32), affine)


def _at(image: nib.Nifti1Image, template: Array) -> Volume:
    """An image of the template at its points, linearly interpolated."""
    index = apply_affine(np.linalg.inv(image.affine), template).T
    volume = np.asarray(image.dataobj, np.float32)
    out: Volume = ndimage.map_coordinates(volume, index, order=1, mode="constant")
    return out


def write_description(derivatives: Path) -> None:
    """Say in the derivatives what they are: simulated, named as fMRIPrep names its outputs."""
    stated = {
        "Name": "fMRIPrep - fMRI PREProcessing workflow (simulated)",
        "BIDSVersion": "1.4.0",
        "DatasetType": "derivative",
        "Simulated": True,
        "GeneratedBy": [
            {
                "Name": "tristream simulate",
                "Version": __version__,
                "Description": "In place of fMRIPrep 23.2, --level minimal; nothing was measured.",
            }
        ],
        "License": "CC0",
    }
    derivatives.mkdir(parents=True, exist_ok=True)
    save_json(derivatives / "dataset_description.json", stated)
