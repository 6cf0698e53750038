"""All subjects of one model: how many show the effect, how many of all people would, a group test.

With few subjects a test of the mean says little, and says it about a mean. So each subject is
tested on its own, the significant ones are counted, and the count gives an estimate of the
prevalence in the population (Ince, Paton, Kay & Schyns 2021, eLife 10:e62461). From eight subjects
on, signs of the subjects' Fisher z are flipped as well (Nichols & Holmes 2002, Hum Brain Mapp
15:1): with eight there are 256 patterns of signs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, stats
from scipy.stats import false_discovery_control

from tristream.config.inference import Inference
from tristream.errors import UserError
from tristream.inference.permutation import TOLERANCE
from tristream.space import grayordinates
from tristream.space.grayordinates import Grayordinates
from tristream.store import Omission, Provenance, create_h5, open_h5, write_strings

Floats = npt.NDArray[np.floating]
KIND = "group"
FEWEST_SUBJECTS = 8
# Up to so many patterns of signs, each is taken once.
MOST_PATTERNS = 2**12
LEVEL = 0.05
CREDIBLE = 0.95


@dataclass(frozen=True)
class Prevalence:
    """Share of the population that has the effect.

    Attributes
    ----------
    map : float
        Most probable value.
    low, high : float
        Ends of the interval of highest posterior density.
    """

    map: float
    low: float
    high: float


def prevalence(
    count: int, subjects: int, level: float = LEVEL, credible: float = CREDIBLE
) -> Prevalence:
    """Bayesian prevalence from the number of significant subjects (Ince et al. 2021).

    A person is called significant with probability θ = α + (1 - α) γ, for a test of level α that
    never misses the effect, which makes the prevalence γ a lower bound. With a uniform prior of γ
    the posterior of θ is a Beta(1 + k, 1 + n - k) cut off below α.

    Parameters
    ----------
    count, subjects : int
        Significant ones, and all.
    level : float
        Of the test of each subject.
    credible : float
        Posterior probability of the interval.

    Raises
    ------
    ValueError
        If there are more significant subjects than subjects, or none at all.
    """
    if not 0 <= count <= subjects or subjects < 1:
        raise ValueError(f"{count} of {subjects} subjects can't be significant")
    posterior = stats.beta(1 + count, 1 + subjects - count)
    below = posterior.cdf(level)

    def quantile(mass: float) -> float:
        theta = posterior.ppf(below + mass * (1 - below))
        return float(np.clip((theta - level) / (1 - level), 0, 1))

    # The shortest interval that holds so much.
    found = optimize.minimize_scalar(
        lambda start: quantile(start + credible) - quantile(start),
        bounds=(0, 1 - credible),
        method="bounded",
        options={"xatol": 1e-7},
    )
    starts = np.array([0.0, 1 - credible, float(found.x)])
    widths = [quantile(s + credible) - quantile(s) for s in starts]
    start = float(starts[int(np.argmin(widths))])
    best = max(0.0, (count / subjects - level) / (1 - level))
    return Prevalence(best, quantile(start), quantile(start + credible))


def sign_flip(
    z: Floats, permutations: int, seed: int = 0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """One-sided test of the mean over subjects, by flipping the subjects' signs.

    Parameters
    ----------
    z : ndarray of shape (subjects, voxels)
    permutations, seed : int
        Of the draw, where there are more than 4,096 patterns of signs; else each is taken once.

    Returns
    -------
    p, p_fwe : ndarray of shape (voxels,)
        Per voxel, and against the largest mean over voxels.
    smallest : float
        The smallest attainable p.
    """
    subjects = len(z)
    if 2**subjects <= MOST_PATTERNS:
        pattern = np.arange(2**subjects)[:, None] >> np.arange(subjects) & 1
        signs = 1.0 - 2.0 * pattern
    else:
        drawn = np.random.default_rng(seed).choice([-1.0, 1.0], (permutations, subjects))
        signs = np.vstack([np.ones(subjects), drawn])
    null = signs @ np.asarray(z, np.float64)
    # The first pattern is the observed one.
    reached = null >= null[0] - TOLERANCE
    largest = null.max(1)
    p_fwe = (largest[:, None] >= null[0] - TOLERANCE).mean(0)
    return reached.mean(0), p_fwe, 1 / len(signs)


@dataclass(frozen=True)
class Subject:
    """What the group level takes of one subject; p values are None where they were refused."""

    name: str
    r: Floats
    ijk: npt.NDArray[np.int32]
    affine: Floats
    shape: tuple[int, ...]
    p: Floats | None
    p_fwe: Floats | None
    significant: npt.NDArray[np.bool_] | None
    why: str
    simulated: bool
    grayordinates: Grayordinates | None = None

    @property
    def p_any(self) -> float:
        """P of the subject's best voxel, corrected for all: does the model predict anything?"""
        return float("nan") if self.p_fwe is None else float(self.p_fwe.min())


def infer_group(
    encodings: Sequence[Path],
    inferences: Sequence[Path],
    settings: Inference,
    output: Path,
    code: str = "",
) -> None:
    """Write the `group` file of one model.

    Parameters
    ----------
    encodings, inferences : sequence of Path
        One of each a subject, in the same order.
    settings : Inference
        Permutations, seed, procedure.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.
    """
    subjects = [_read(*pair) for pair in zip(encodings, inferences, strict=True)]
    omitted: list[Omission] = []
    refused = next((s.why for s in subjects if s.p is None), "")
    if refused:
        omitted.append(Omission("counts of significant subjects, prevalence", refused))
    table = _table(subjects)
    voxels = _common(subjects)
    if isinstance(voxels, Omission):
        omitted.append(voxels)
    number = len(subjects)
    if number < FEWEST_SUBJECTS:
        why = f"{number} subjects; from {FEWEST_SUBJECTS} on, signs are flipped"
        omitted.append(Omission("group test of the mean", why))
    config = {"inference": settings.model_dump(mode="json")}
    simulated = any(s.simulated for s in subjects)
    with create_h5(output, Provenance(KIND, simulated, config, code, tuple(omitted))) as file:
        file.attrs["level"], file.attrs["credible"] = LEVEL, CREDIBLE
        file.attrs["seed"] = settings.seed
        write_strings(file, "subjects", [s.name for s in subjects])
        for key in table.columns:
            file[f"subject/{key}"] = table[key].to_numpy()
        if not refused:
            count = int((table["p_any"] <= LEVEL).sum())
            file.attrs["count"] = count
            file.attrs["prevalence"] = list(vars(prevalence(count, number)).values())
        if isinstance(voxels, Omission):
            return
        file["ijk"] = subjects[0].ijk[voxels[0]]
        file["affine"], file["shape"] = subjects[0].affine, subjects[0].shape
        where = subjects[0].grayordinates
        grayordinates.write(file, where.take(voxels[0]) if where else None)
        z = np.stack([_z(s)[v] for s, v in zip(subjects, voxels, strict=True)])
        file["mean_r"] = np.tanh(z.mean(0)).astype(np.float32)
        if not refused:
            _write_counts(file, subjects, voxels)
        if number >= FEWEST_SUBJECTS:
            p, p_fwe, smallest = sign_flip(z, settings.permutations, settings.seed)
            file["p"], file["p_fwe"] = p, p_fwe
            file["q"] = false_discovery_control(p, method=settings.procedure)
            file.attrs["smallest_p"] = smallest


def _write_counts(
    file: h5py.File, subjects: Sequence[Subject], voxels: Sequence[npt.NDArray]
) -> None:
    """Per voxel: subjects with p at most .05, uncorrected, and the prevalence that follows."""
    below = [s.p[v] <= LEVEL for s, v in zip(subjects, voxels, strict=True) if s.p is not None]
    counts = np.sum(below, axis=0)
    number = len(subjects)
    estimates = [prevalence(k, number) for k in range(number + 1)]
    file["count"] = counts.astype(np.int16)
    for key in ("map", "low", "high"):
        values = np.array([getattr(one, key) for one in estimates], np.float32)
        file[f"prevalence/{key}"] = values[counts]


def _read(encoding: Path, inference: Path) -> Subject:
    with open_h5(encoding, "encoding") as (file, said):
        name, r = str(file.attrs["subject"]), file["scores/r"][()]
        ijk, affine = file["ijk"][()], file["affine"][()]
        shape = tuple(int(n) for n in file["shape"][()])
        where = grayordinates.read(file)
    with open_h5(inference, "inference") as (file, tested):
        p, p_fwe, significant = (
            file[key][()] if key in file else None for key in ("p", "p_fwe", "significant")
        )
    if p is not None and len(p) != len(ijk):
        raise UserError(
            f"{inference}: has {len(p)} voxels, {encoding} has {len(ijk)}; delete the "
            "first and run again"
        )
    why = next((o.why for o in tested.omitted if o.what == "p"), "")
    simulated = said.simulated or tested.simulated
    return Subject(name, r, ijk, affine, shape, p, p_fwe, significant, why, simulated, where)


def _table(subjects: Sequence[Subject]) -> pd.DataFrame:
    rows = []
    for one in subjects:
        r = one.r
        rows.append(
            {
                "voxels": len(r),
                "mean_r": float(r.mean()),
                "significant": -1 if one.significant is None else int(one.significant.sum()),
                "significant_fwe": (-1 if one.p_fwe is None else int((one.p_fwe <= LEVEL).sum())),
                "p_any": one.p_any,
            }
        )
    return pd.DataFrame(rows)


def _common(subjects: Sequence[Subject]) -> list[npt.NDArray[np.intp]] | Omission:
    """For each subject, the places of the voxels that all have, in one order."""
    first = subjects[0]
    what = "voxel by voxel over subjects"
    for other in subjects[1:]:
        if _grid(other) != _grid(first) or not np.allclose(first.affine, other.affine):
            return Omission(what, f"sub-{other.name} lies on another grid than sub-{first.name}")
    flat = [_keys(subject) for subject in subjects]
    shared = flat[0]
    for own in flat[1:]:
        shared = np.intersect1d(shared, own)
    if not len(shared):
        return Omission(what, "the subjects' masks share no voxel")
    places = []
    for own in flat:
        order = np.argsort(own)
        places.append(order[np.searchsorted(own, np.sort(shared), sorter=order)])
    return places


def _grid(subject: Subject) -> tuple[object, ...]:
    """Shape of the volume, and the structures beside it."""
    where = subject.grayordinates
    return (subject.shape, *((where.names, where.vertices) if where else ()))


def _keys(subject: Subject) -> npt.NDArray[np.int64]:
    """One number a voxel or vertex, the same in all subjects."""
    if subject.grayordinates is not None:
        return subject.grayordinates.keys(subject.ijk)
    return np.asarray(np.ravel_multi_index(tuple(subject.ijk.T), subject.shape), np.int64)


def _z(subject: Subject) -> npt.NDArray[np.float64]:
    limit = 1 - 1e-7
    return np.arctanh(np.clip(subject.r.astype(np.float64), -limit, limit))
