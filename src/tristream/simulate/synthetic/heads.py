"""A head that is made from the template: the ICBM152 average that nilearn ships, bent a little.

Template, T1w and BOLD so differ by transforms that are known as formulas.
"""

from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from nilearn import datasets
from scipy import ndimage

from tristream.simulate.synthetic.transform_files import rigid

Array = npt.NDArray[np.float64]
Volume = npt.NDArray[np.float32]
# Size of brains, relative to the template's, which is large.
SIZE = (0.85, 0.91)
# BOLD is there up to so many voxels outside of the brain: splines ring where it ends.
MARGIN = 4.5
# Edge of the T1w's voxels at scale 1, and the largest, as noise masks keep three voxels away from
# grey matter (mm).
T1W_EDGE, LARGEST_EDGE = 1.0, 1.5


@dataclass(frozen=True)
class Anatomy:
    """How a subject's T1w lies to the template.

    `linear` maps displaced template points to the T1w (RAS mm); `waves`, shape (3, 3), are phases
    of the displacement, which is `bend` mm at most along each axis.
    """

    linear: Array
    waves: Array
    bend: float = 2.5

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Anatomy":
        """That of some subject."""
        moved = rigid(rng.normal(0, 3, 3), rng.normal(0, 3, 3))
        size = np.diag([*rng.uniform(*SIZE, 3), 1.0])
        return cls(moved @ size, rng.uniform(0, 2 * np.pi, (3, 3)))

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
class Brain:
    """Distance to the brain (mm; 0 inside), an image in T1w space with its affine."""

    distance: Volume
    affine: Array

    def around(
        self,
        grid: tuple[Array, tuple[int, ...]],
        coregistration: Array,
        anatomy: Anatomy,
    ) -> tuple[Array, npt.NDArray[np.bool_]]:
        """MNI points of a grid in and near the brain, and which of the grid they are.

        Parameters
        ----------
        grid : (ndarray of shape (4, 4), shape)
            In the space of a run's reference volume.
        coregistration : ndarray of shape (4, 4)
            RAS mm of the T1w to RAS mm of the reference volume.
        anatomy : Anatomy
        """
        affine, shape = grid
        to_t1w = np.linalg.inv(coregistration) @ affine
        t1w = apply_affine(to_t1w, np.indices(shape).reshape(3, -1).T)
        index = apply_affine(np.linalg.inv(self.affine), t1w).T
        far = ndimage.map_coordinates(self.distance, index, order=1, mode="nearest")
        inside = far <= MARGIN * float(np.linalg.norm(affine[:3, 0]))
        return anatomy.to_template(t1w[inside]), inside.reshape(shape)


@dataclass(frozen=True)
class Head:
    """What a T1w shows: maps of the template where the head has them, (i, j, k), and its affine.

    `points` (n, 3) are the template's points of its voxels, in their order.
    """

    maps: dict[str, Volume]
    affine: Array
    points: Array

    @property
    def edge(self) -> float:
        """Of a voxel (mm)."""
        return float(self.affine[0, 0])

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """Which voxels are brain."""
        return self.maps["brain"] > 0.5

    @property
    def brain(self) -> Brain:
        """How far each voxel is from the brain."""
        distance = ndimage.distance_transform_edt(~self.inside, sampling=self.edge)
        return Brain(distance.astype(np.float32), self.affine)


def head_of(anatomy: Anatomy, scale: float) -> Head:
    """The T1w space of a subject: what the template has at its voxels."""
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
    found = {name: at_template(image, points).reshape(shape) for name, image in maps.items()}
    return Head(found, affine, points)


def at_template(image: nib.Nifti1Image, template: Array) -> Volume:
    """An image of the template at its points, linearly interpolated."""
    index = apply_affine(np.linalg.inv(image.affine), template).T
    volume = np.asarray(image.dataobj, np.float32)
    out: Volume = ndimage.map_coordinates(volume, index, order=1, mode="constant")
    return out
