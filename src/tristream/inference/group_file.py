"""The home of the `group` file: all subjects of one model."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.space import grayordinates
from tristream.space.grayordinates import Grayordinates
from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

Floats = npt.NDArray[np.floating]
KIND = "group"


@dataclass(frozen=True)
class Prevalence:
    """Share of the population that has an effect: a number, or an array of shape (voxels,).

    Attributes
    ----------
    map
        Most probable value.
    low, high
        Ends of the interval of highest posterior density.
    """

    map: float | Floats
    low: float | Floats
    high: float | Floats


@dataclass(frozen=True)
class GroupTest:
    """Sign flips of the subjects' Fisher z, (voxels,) each.

    Attributes
    ----------
    p, p_fwe, q : ndarray
        Of the voxel, against the largest voxel of each pattern of signs, and corrected by rate.
    smallest : float
        The smallest attainable p.
    """

    p: Floats
    p_fwe: Floats
    q: Floats
    smallest: float


@dataclass(frozen=True)
class CommonVoxels:
    """Voxels that all subjects have.

    Attributes
    ----------
    ijk, affine, shape, grayordinates
        Where they lie.
    mean_r : ndarray of shape (voxels,)
        Mean over subjects in Fisher z, as a correlation.
    count : ndarray of int, shape (voxels,), or None
        Subjects with p at most the level; None where a subject has no p values.
    prevalence : Prevalence or None
        What follows from `count`.
    test : GroupTest or None
        None with too few subjects.
    """

    ijk: npt.NDArray[np.int32]
    affine: Floats
    shape: tuple[int, ...]
    grayordinates: Grayordinates | None
    mean_r: Floats
    count: npt.NDArray[np.integer] | None = None
    prevalence: Prevalence | None = None
    test: GroupTest | None = None


@dataclass(frozen=True)
class GroupLevel:
    """Subjects of one model side by side, and what they share.

    Attributes
    ----------
    subjects : list of str
    table : DataFrame
        A row a subject: ``voxels``, ``mean_r``, ``significant``, ``significant_fwe`` (-1 without p
        values), ``p_any``: p of the best voxel, corrected for all.
    level, credible : float
        Level of each subject's test; posterior probability of the interval of the prevalence.
    seed : int
    count : int or None
        Subjects whose best voxel is significant, corrected; None where one has no p values.
    prevalence : Prevalence or None
        What follows from `count`.
    voxels : CommonVoxels or None
        None where the subjects share no grid or no voxel.
    """

    subjects: list[str]
    table: pd.DataFrame
    level: float
    credible: float
    seed: int
    count: int | None = None
    prevalence: Prevalence | None = None
    voxels: CommonVoxels | None = None


def write_group(path: Path, group: GroupLevel, provenance: Provenance) -> None:
    """Write the file that ``docs/files.md`` calls `group`."""
    with create_h5(path, provenance) as file:
        for key in ("level", "credible", "seed"):
            file.attrs[key] = getattr(group, key)
        write_strings(file, "subjects", group.subjects)
        for key in group.table.columns:
            file[f"subject/{key}"] = group.table[key].to_numpy()
        if group.count is not None:
            file.attrs["count"] = group.count
        if group.prevalence is not None:
            file.attrs["prevalence"] = list(vars(group.prevalence).values())
        if group.voxels is not None:
            _write_voxels(file, group.voxels)


def _write_voxels(file: h5py.File, voxels: CommonVoxels) -> None:
    for key in ("ijk", "affine", "shape"):
        file[key] = getattr(voxels, key)
    grayordinates.write(file, voxels.grayordinates)
    file["mean_r"] = voxels.mean_r.astype(np.float32)
    if voxels.count is not None:
        file["count"] = voxels.count.astype(np.int16)
    if voxels.prevalence is not None:
        for key, values in vars(voxels.prevalence).items():
            file[f"prevalence/{key}"] = np.asarray(values, np.float32)
    if voxels.test is not None:
        for key in ("p", "p_fwe", "q"):
            file[key] = getattr(voxels.test, key)
        file.attrs["smallest_p"] = voxels.test.smallest


def read_group(path: Path) -> tuple[GroupLevel, Provenance]:
    """Read what :func:`write_group` wrote.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        attrs = file.attrs
        known = "prevalence" in attrs
        return (
            GroupLevel(
                subjects=read_strings(file, "subjects"),
                table=pd.DataFrame({key: one[()] for key, one in file["subject"].items()}),
                level=float(attrs["level"]),
                credible=float(attrs["credible"]),
                seed=int(attrs["seed"]),
                count=int(attrs["count"]) if "count" in attrs else None,
                prevalence=Prevalence(*map(float, attrs["prevalence"])) if known else None,
                voxels=_read_voxels(file) if "mean_r" in file else None,
            ),
            provenance,
        )


def _read_voxels(file: h5py.File) -> CommonVoxels:
    prevalence = test = None
    if "prevalence" in file:
        prevalence = Prevalence(*(file[f"prevalence/{k}"][()] for k in ("map", "low", "high")))
    if "p" in file:
        arrays = {key: file[key][()] for key in ("p", "p_fwe", "q")}
        test = GroupTest(**arrays, smallest=float(file.attrs["smallest_p"]))
    return CommonVoxels(
        ijk=file["ijk"][()],
        affine=file["affine"][()],
        shape=tuple(int(n) for n in file["shape"][()]),
        grayordinates=grayordinates.read(file),
        mean_r=file["mean_r"][()],
        count=file["count"][()] if "count" in file else None,
        prevalence=prevalence,
        test=test,
    )
