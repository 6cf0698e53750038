"""What the group level takes of one subject, whatever was measured, and which voxels all have."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine

from tristream.inference.shared_stimuli import SubjectNull
from tristream.inference.table_files import WHOLE
from tristream.space.atlas import Regions
from tristream.space.grid import Grid, places_in_common
from tristream.store import Omission

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Where(Grid):
    """Where the voxels of a subject lie; `regions` of the dataset hold places among them."""

    regions: Mapping[str, Ints] = field(default_factory=dict)

    def members(self, atlas: Regions | None) -> dict[str, npt.NDArray[np.bool_]]:
        """All voxels, those of each region of dataset and atlas, of each structure of surfaces."""
        voxels = np.arange(len(self.ijk))
        parts = {WHOLE: np.ones(len(voxels), bool)}
        parts |= {name: np.isin(voxels, own) for name, own in self.regions.items()}
        if atlas is not None:
            parts |= atlas.members(apply_affine(self.affine, self.ijk))
        if (where := self.grayordinates) is not None:
            parts |= {name: inside for name in where.names if (inside := where.of(name)).any()}
        return parts


@dataclass(frozen=True)
class Subject:
    """One subject.

    Attributes
    ----------
    name : str
    values : ndarray of shape (voxels,)
        What is averaged over subjects.
    row : dict
        Of the table of subjects; ``p_any`` asks whether there is an effect anywhere.
    p : ndarray of shape (voxels,), or None
        Uncorrected; None where p values were refused, for the reason `why`.
    why : str
    simulated : bool
    where : Where or None
        None where the only value is one number, as of a decoder.
    null : SubjectNull or None
        Under rearrangements that are those of all subjects; None where there are none.
    without : int
        Voxels that had no value, and are not among these.
    """

    name: str
    values: Floats
    row: Mapping[str, float]
    p: Floats | None
    why: str
    simulated: bool
    where: Where | None = None
    null: SubjectNull | None = None
    without: int = 0


@dataclass(frozen=True)
class Measure:
    """What is averaged over subjects.

    Attributes
    ----------
    name : str
        In words.
    sides : int
        Of the tests: 1 where an effect is above zero, else 2.
    back : callable
        From the scale on which it is averaged to that on which it is shown.
    anywhere : str
        What the test of a subject's best voxel is corrected for, in words.
    shared : str
        What the test for other people cannot tell, in words.
    """

    name: str
    sides: int = 1
    back: Callable[[Floats], Floats] = np.asarray
    anywhere: str = ", corrected for all voxels"
    shared: str = (
        ": a response to the stimuli that people share passes it, whether the features are its "
        "reason or not"
    )


CORRELATION = Measure("test correlation in Fisher z", back=np.tanh)


def common_places(subjects: Sequence[Subject]) -> list[Ints] | Omission:
    """For each subject, the places of the voxels that all have, in one order."""
    what = "voxel by voxel over subjects"
    all_where = [one.where for one in subjects if one.where is not None]
    if len(all_where) < len(subjects):
        return Omission(what, "there is one value a subject")
    first = all_where[0]
    for name, other in zip((s.name for s in subjects), all_where, strict=True):
        if not other.is_that_of(first):
            return Omission(what, f"sub-{name} lies on another grid than sub-{subjects[0].name}")
    places = places_in_common([where.keys for where in all_where])
    if not len(places[0]):
        return Omission(what, "the subjects' masks share no voxel")
    return places


def common_regions(
    subjects: Sequence[Subject], regions: Path | None
) -> dict[str, list[npt.NDArray[np.bool_]]]:
    """Region to each subject's voxels of it; regions that every subject has, all voxels first.

    Parameters
    ----------
    subjects : sequence of Subject
    regions : Path or None
        Labels of the atlas, for voxels in MNI space.
    """
    atlas = Regions.read(regions) if regions else None
    parts = [
        {WHOLE: np.ones(len(one.values), bool)} if one.where is None else one.where.members(atlas)
        for one in subjects
    ]
    names = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: [part[name] for part in parts] for name in names}
