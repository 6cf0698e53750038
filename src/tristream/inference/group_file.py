"""The home of the `group` file: all subjects, of a model or of whatever else was measured.

Two questions are kept apart. ``stimuli``: would other stimuli do the same in these subjects?
``people``: would other people do the same, given these stimuli?
"""

from dataclasses import dataclass, fields
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.inference.inference_file import MANY
from tristream.space import grayordinates
from tristream.space.grayordinates import Grayordinates
from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

Floats = npt.NDArray[np.floating]
KIND = "group"
COUNTS = ("most", "tails", "fewest")


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
    """A test of the mean over subjects, (n,) each, of voxels or regions.

    Attributes
    ----------
    p, p_fwe, q : ndarray
        Uncorrected, against the largest of each rearrangement, and corrected by rate.
    smallest : float
        The smallest attainable p.
    used, distinct : int
        Rearrangements (of exchange units, or of signs) that all got, and that there are.
    most : int
        Those that voxels got which were not decided by so many.
    tails : int
        Voxels whose p comes from a fitted tail.
    fewest : int
        How many voxels must be significant together to be so at all.
    """

    p: Floats
    p_fwe: Floats
    q: Floats
    smallest: float
    used: int
    distinct: int
    most: int = 0
    tails: int = 0
    fewest: int = 1


@dataclass(frozen=True)
class Means:
    """What subjects have in common, (n,) each, of voxels or regions.

    Attributes
    ----------
    mean : ndarray
        Mean over subjects; of correlations, by way of Fisher z.
    sd : ndarray
        Standard deviation over subjects (of correlations: of Fisher z); NaN of one subject.
    stimuli, people : GroupTest or None
        For other stimuli in these subjects, and for other people given these stimuli; None where
        the question could not be asked (`Provenance.omitted` has the reason).
    """

    mean: Floats
    sd: Floats
    stimuli: GroupTest | None = None
    people: GroupTest | None = None


@dataclass(frozen=True)
class CommonVoxels:
    """Voxels that all subjects have.

    Attributes
    ----------
    ijk, affine, shape, grayordinates
        Where they lie.
    means : Means
    count : ndarray of int, shape (voxels,), or None
        Subjects with p at most the level; None where a subject has no p values.
    prevalence : Prevalence or None
        What follows from `count`.
    """

    ijk: npt.NDArray[np.int32]
    affine: Floats
    shape: tuple[int, ...]
    grayordinates: Grayordinates | None
    means: Means
    count: npt.NDArray[np.integer] | None = None
    prevalence: Prevalence | None = None


@dataclass(frozen=True)
class GroupRegions:
    """Means over the voxels of regions that all subjects have.

    Attributes
    ----------
    names : list of str
        All voxels come first.
    voxels : ndarray of int of shape (subjects, regions)
        How many voxels each subject has there.
    by_subject : ndarray of shape (subjects, regions)
        Mean over them (of correlations: of Fisher z).
    means : Means
    """

    names: list[str]
    voxels: npt.NDArray[np.integer]
    by_subject: Floats
    means: Means


@dataclass(frozen=True)
class GroupLevel:
    """Subjects side by side, and what they share.

    Attributes
    ----------
    measure : str
        What is averaged over subjects, in words.
    subjects : list of str
    table : DataFrame
        A row a subject: ``voxels``, ``mean``, ``significant``, ``significant_fwe`` (-1 without p
        values), ``p_any``: p of the best voxel, corrected for all, or of the decoder.
    level, credible : float
        Level of each subject's test; posterior probability of the interval of the prevalence.
    seed : int
    count : int or None
        Subjects with an effect anywhere (`p_any`); None where one has no p values.
    prevalence : Prevalence or None
        What follows from `count`.
    voxels : CommonVoxels or None
        None where the subjects share no grid or no voxel, and for decoders.
    regions : GroupRegions or None
    """

    measure: str
    subjects: list[str]
    table: pd.DataFrame
    level: float
    credible: float
    seed: int
    count: int | None = None
    prevalence: Prevalence | None = None
    voxels: CommonVoxels | None = None
    regions: GroupRegions | None = None


def write_group(path: Path, group: GroupLevel, provenance: Provenance) -> None:
    """Write the file that ``docs/files.md`` calls `group`."""
    with create_h5(path, provenance) as file:
        for key in ("measure", "level", "credible", "seed"):
            file.attrs[key] = getattr(group, key)
        write_strings(file, "subjects", group.subjects)
        for key in group.table.columns:
            file[f"subject/{key}"] = group.table[key].to_numpy()
        if group.count is not None:
            file.attrs["count"] = group.count
        if group.prevalence is not None:
            file.attrs["prevalence"] = list(vars(group.prevalence).values())
        if group.voxels is not None:
            _write_voxels(file.create_group("voxels"), group.voxels)
        if group.regions is not None:
            regions = file.create_group("regions")
            write_strings(regions, "names", group.regions.names)
            regions["voxels"], regions["by_subject"] = (
                group.regions.voxels,
                group.regions.by_subject,
            )
            _write_means(regions, group.regions.means)


def _write_voxels(file: h5py.Group, voxels: CommonVoxels) -> None:
    for key in ("ijk", "affine", "shape"):
        file[key] = getattr(voxels, key)
    grayordinates.write(file, voxels.grayordinates)
    _write_means(file, voxels.means)
    if voxels.count is not None:
        file["count"] = voxels.count.astype(np.int16)
    if voxels.prevalence is not None:
        for key, values in vars(voxels.prevalence).items():
            file[f"prevalence/{key}"] = np.asarray(values, np.float32)


def _write_means(file: h5py.Group, means: Means) -> None:
    file["mean"], file["sd"] = means.mean.astype(np.float32), means.sd.astype(np.float32)
    for name in ("stimuli", "people"):
        test: GroupTest | None = getattr(means, name)
        if test is None:
            continue
        group = file.create_group(name)
        for key in ("p", "p_fwe", "q"):
            group[key] = getattr(test, key)
        group.attrs["smallest_p"], group.attrs["n_used"] = test.smallest, test.used
        group.attrs["n_distinct"] = min(test.distinct, MANY)
        for key in COUNTS:
            group.attrs[key] = getattr(test, key)


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
                measure=str(attrs["measure"]),
                subjects=read_strings(file, "subjects"),
                table=pd.DataFrame({key: one[()] for key, one in file["subject"].items()}),
                level=float(attrs["level"]),
                credible=float(attrs["credible"]),
                seed=int(attrs["seed"]),
                count=int(attrs["count"]) if "count" in attrs else None,
                prevalence=Prevalence(*map(float, attrs["prevalence"])) if known else None,
                voxels=_read_voxels(file["voxels"]) if "voxels" in file else None,
                regions=_read_regions(file["regions"]) if "regions" in file else None,
            ),
            provenance,
        )


def _read_voxels(file: h5py.Group) -> CommonVoxels:
    prevalence = None
    if "prevalence" in file:
        keys = [one.name for one in fields(Prevalence)]
        prevalence = Prevalence(**{key: file["prevalence"][key][()] for key in keys})
    return CommonVoxels(
        ijk=file["ijk"][()],
        affine=file["affine"][()],
        shape=tuple(int(n) for n in file["shape"][()]),
        grayordinates=grayordinates.read(file),
        means=_read_means(file),
        count=file["count"][()] if "count" in file else None,
        prevalence=prevalence,
    )


def _read_regions(file: h5py.Group) -> GroupRegions:
    arrays = file["voxels"][()], file["by_subject"][()]
    return GroupRegions(read_strings(file, "names"), *arrays, _read_means(file))


def _read_means(file: h5py.Group) -> Means:
    tests = {}
    for name in ("stimuli", "people"):
        if name in file:
            group = file[name]
            tests[name] = GroupTest(
                **{key: group[key][()] for key in ("p", "p_fwe", "q")},
                smallest=float(group.attrs["smallest_p"]),
                used=int(group.attrs["n_used"]),
                distinct=int(group.attrs["n_distinct"]),
                most=int(group.attrs["most"]),
                tails=int(group.attrs["tails"]),
                fewest=int(group.attrs["fewest"]),
            )
    return Means(file["mean"][()], file["sd"][()], **tests)
