"""The home of the `inference` file: the test of one model of one subject."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Self

import h5py
import numpy as np
import numpy.typing as npt

from tristream.store import Provenance, create_h5, open_h5

if TYPE_CHECKING:
    from tristream.inference.resolution import Resolved

Floats = npt.NDArray[np.floating]
KIND = "inference"
# Counts are stored up to this one: a factorial soon outgrows every integer.
MANY = 10**15
COUNTS = ("no_tail", "needed", "fewest")
ELSEWHERE = ("found", "widening", "n_distinct", "draws", "spatial")


@dataclass(frozen=True)
class Significance:
    """What a permutation test found, (voxels,) each unless stated otherwise.

    Attributes
    ----------
    observed : ndarray
        Correlation, averaged over test runs in Fisher z.
    p, p_fwe : ndarray
        Of the voxel on its own, and against the largest voxel of each permutation.
    q, q_by : ndarray
        By the procedures of Benjamini-Hochberg and Benjamini-Yekutieli.
    significant : ndarray of bool
        By the configured procedure, at the configured rate.
    null_max : ndarray of shape (permutations,)
        Largest correlation over voxels.
    """

    observed: Floats
    p: Floats
    p_fwe: Floats
    q: Floats
    q_by: Floats
    significant: npt.NDArray[np.bool_]
    null_max: Floats


@dataclass(frozen=True)
class Draws:
    """How many permutations were drawn, and what that resolves.

    Attributes
    ----------
    permutations : ndarray of int of shape (voxels,)
        How many each voxel got.
    tail : ndarray of bool of shape (voxels,)
        Where p comes from a fitted generalised Pareto tail.
    no_tail : int
        Voxels for which a tail was to be fitted and none did.
    needed : int
        Permutations with which one voxel could be significant alone.
    fewest : int
        How many voxels must be significant together to be so at all; more than one where
        permutations ran out.
    """

    permutations: npt.NDArray[np.integer]
    tail: npt.NDArray[np.bool_]
    no_tail: int
    needed: int
    fewest: int

    @classmethod
    def of(cls, result: "Resolved") -> "Draws":
        """Of what a test found."""
        return cls(*(getattr(result, own.name) for own in fields(cls)))

    @property
    def most(self) -> int:
        """The largest number of permutations that a voxel got."""
        return int(self.permutations.max())

    @property
    def smallest_p(self) -> float:
        """P of a voxel that none of its permutations reaches."""
        return 1 / (1 + self.most)

    @property
    def stopped(self) -> int:
        """Voxels that stopped before that."""
        return int((self.permutations < self.most).sum())


@dataclass(frozen=True)
class SpatialTest:
    """What a test of clusters or enhanced voxels found.

    Attributes
    ----------
    statistic, p : ndarray of shape (voxels,)
        Mass of the voxel's cluster (0 outside of all) or its enhanced statistic; family-wise p.
    null_max : ndarray of shape (permutations,)
        Largest statistic of each permutation.
    """

    statistic: Floats
    p: Floats
    null_max: Floats


@dataclass(frozen=True)
class TestedModel:
    """How a model was tested, and what came out.

    Attributes
    ----------
    statistic, null, unit : str
        In words: what is computed, how its null arises, what is permuted.
    n_distinct : int
        Distinct rearrangements, the observed one included; at most :data:`MANY`.
    n_permutations : int
        Those of all voxels; 0 where there are no p values.
    seed, fdr, procedure
        As configured.
    widening : tuple of float
        For each test run, how many times wider the null was made; empty without p values.
    found : Significance or None
        None where there are no p values.
    draws : Draws or None
        As `found`.
    spatial : mapping of str to SpatialTest
        By name, ``cluster_mass`` or ``tfce``.
    """

    statistic: str
    null: str
    unit: str
    n_distinct: int
    n_permutations: int
    seed: int
    fdr: float
    procedure: str
    widening: tuple[float, ...] = ()
    found: Significance | None = None
    draws: Draws | None = None
    spatial: Mapping[str, SpatialTest] = field(default_factory=dict)

    # Its name is the term of the field, not a case for pytest.
    __test__ = False

    @property
    def smallest_p(self) -> float:
        """P of a voxel that none of its permutations reaches; 1 without permutations."""
        return self.draws.smallest_p if self.draws else 1 / (1 + self.n_permutations)

    @classmethod
    def _from(cls, file: h5py.File) -> Self:
        attrs = file.attrs
        found = None
        if "p" in file:
            arrays = {f.name: file[f.name][()] for f in fields(Significance)}
            arrays["significant"] = arrays["significant"].astype(bool)
            found = Significance(**arrays)
        return cls(
            statistic=str(attrs["statistic"]),
            null=str(attrs["null"]),
            unit=str(attrs["unit"]),
            n_distinct=int(attrs["n_distinct"]),
            n_permutations=int(attrs["n_permutations"]),
            seed=int(attrs["seed"]),
            fdr=float(attrs["fdr"]),
            procedure=str(attrs["procedure"]),
            widening=tuple(float(factor) for factor in attrs.get("widening", ())),
            found=found,
            draws=read_draws(file),
            spatial={
                name: SpatialTest(*(group[f.name][()] for f in fields(SpatialTest)))
                for name, group in file.get("spatial", {}).items()
            },
        )


def write_inference(path: Path, tested: TestedModel, provenance: Provenance) -> None:
    """Write the file that ``docs/files.md`` calls `inference`."""
    with create_h5(path, provenance) as file:
        for one in fields(tested):
            if one.name not in ELSEWHERE:
                file.attrs[one.name] = getattr(tested, one.name)
        file.attrs["n_distinct"] = min(tested.n_distinct, MANY)
        if tested.found is None:
            return
        file.attrs["widening"] = tested.widening
        file.attrs["smallest_p"] = tested.smallest_p
        for one in fields(tested.found):
            values = getattr(tested.found, one.name)
            file[one.name] = values.astype(np.float32) if one.name == "observed" else values
        if tested.draws is not None:
            write_draws(file, tested.draws)
        for name, test in tested.spatial.items():
            for one in fields(test):
                file[f"spatial/{name}/{one.name}"] = getattr(test, one.name)


def write_draws(file: h5py.Group, draws: Draws) -> None:
    """Write how many permutations were drawn, for other kinds of tests, too."""
    file["draws/permutations"] = draws.permutations
    file["draws/tail"] = draws.tail
    for key in COUNTS:
        file["draws"].attrs[key] = getattr(draws, key)


def read_draws(file: h5py.Group) -> Draws | None:
    """Read what :func:`write_draws` wrote; None where there is nothing."""
    if "draws" not in file:
        return None
    group = file["draws"]
    counts = {key: int(group.attrs[key]) for key in COUNTS}
    return Draws(group["permutations"][()], group["tail"][()].astype(bool), **counts)


def read_inference(path: Path) -> tuple[TestedModel, Provenance]:
    """Read what :func:`write_inference` wrote.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        return TestedModel._from(file), provenance


def why_refused(provenance: Provenance) -> str:
    """Why an `inference` file has no p values; empty where it has them."""
    return next((o.why for o in provenance.omitted if o.what == "p"), "")
