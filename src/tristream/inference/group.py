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

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, stats
from scipy.stats import false_discovery_control

from tristream.config.settings.inference import GroupSettings
from tristream.encode.encoding_file import ScoredVoxels, read_scores
from tristream.encode.prediction_scores import fisher_z
from tristream.errors import UserError
from tristream.inference import wording
from tristream.inference.group_file import (
    KIND,
    CommonVoxels,
    GroupLevel,
    GroupTest,
    Prevalence,
    write_group,
)
from tristream.inference.inference_file import Significance, read_inference, why_refused
from tristream.inference.permutation import TOLERANCE
from tristream.inference.procedures import Procedure, register
from tristream.phrases import counted
from tristream.store import Omission, Provenance

Floats = npt.NDArray[np.floating]
FEWEST_SUBJECTS = 8
# Up to so many patterns of signs, each is taken once.
MOST_PATTERNS = 2**12
LEVEL = 0.05
CREDIBLE = 0.95
ENDS = ("map", "low", "high")


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
        If there are more significant subjects than subjects, or no subject.
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
    """What the group level takes of one subject; `found` is None where p values were refused."""

    name: str
    scored: ScoredVoxels
    found: Significance | None
    why: str
    simulated: bool

    @property
    def row(self) -> dict[str, float]:
        """Of the table of subjects; `p_any` asks whether the model predicts any voxel at all."""
        r, found = self.scored.scores.r, self.found
        return {
            "voxels": len(r),
            "mean_r": float(r.mean()),
            "significant": int(found.significant.sum()) if found else -1,
            "significant_fwe": int((found.p_fwe <= LEVEL).sum()) if found else -1,
            "p_any": float(found.p_fwe.min()) if found else float("nan"),
        }

    @property
    def z(self) -> npt.NDArray[np.float64]:
        """Fisher z of each voxel."""
        return fisher_z(self.scored.scores.r)

    @property
    def grid(self) -> tuple[object, ...]:
        """Shape of the volume, and the structures beside it."""
        where = self.scored.grayordinates
        shape = tuple(int(n) for n in self.scored.shape)
        return (shape, *((where.names, where.vertices) if where else ()))

    @property
    def keys(self) -> npt.NDArray[np.int64]:
        """One number a voxel or vertex, the same in all subjects."""
        scored = self.scored
        if scored.grayordinates is not None:
            return scored.grayordinates.keys(scored.ijk)
        flat = np.ravel_multi_index(tuple(scored.ijk.T), tuple(scored.shape))
        return np.asarray(flat, np.int64)


@dataclass(frozen=True)
class Done:
    """What was done at the group level: the facts of its sentences."""

    group: GroupLevel
    permutations: int
    procedure: str


@register
class CountedSubjects(Procedure[Done]):
    """Each subject is tested on its own, and those with an effect are counted."""

    null = "none: significant subjects are counted"

    def methods(self, done: Done) -> tuple[str, ...]:
        """What was counted, and the prevalence that follows."""
        group = done.group
        if group.count is None:
            return ("Over subjects, test correlations were averaged in Fisher z, voxel by voxel.",)
        by_voxel = ""
        if group.voxels is not None:
            by_voxel = (
                ", and in each voxel that all subjects have, those with p at most "
                f"{group.level:g}, uncorrected"
            )
        return (
            f"Of {counted(len(group.subjects), 'subject')}, those whose best voxel was significant "
            f"at {group.level:g}, corrected for all voxels, were counted{by_voxel}.",
            "The share of the population that would show the effect was estimated from the count, "
            f"with a uniform prior and an interval of {group.credible:.0%} highest posterior "
            "density [@ince2021].",
        )


@register
class FlippedSubjects(Procedure[Done]):
    """Under the null hypothesis a subject's Fisher z may as well have the other sign."""

    null = "signs of the subjects' Fisher z flipped"

    def methods(self, done: Done) -> tuple[str, ...]:
        """What was flipped, how often, which corrections were made."""
        assert done.group.voxels is not None
        assert done.group.voxels.test is not None
        number = len(done.group.subjects)
        used = round(1 / done.group.voxels.test.smallest)
        how = (
            f"all {2**number:,} patterns once"
            if used == 2**number
            else wording.drawn(used - 1, 2**number, "patterns")
        )
        corrected = wording.rate(done.procedure, None, "all voxels")
        return (
            "In each voxel that all subjects have, the mean over subjects of the test correlation "
            f"in Fisher z was tested, one-sided, by flipping the signs of the {number} subjects "
            f"({how}), all voxels alike [@nichols2002]; {corrected}, and for the family-wise error "
            "by comparing each voxel with the largest of each pattern.",
        )


def infer_group(
    encodings: Sequence[Path],
    inferences: Sequence[Path],
    settings: GroupSettings,
    output: Path,
    code: str = "",
) -> None:
    """Write the `group` file of one model.

    Parameters
    ----------
    encodings, inferences : sequence of Path
        One of each a subject, in the same order.
    settings : GroupSettings
        Permutations, seed, procedure.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.
    """
    subjects = [_read(*pair) for pair in zip(encodings, inferences, strict=True)]
    number, omitted = len(subjects), list[Omission]()
    refused = next((s.why for s in subjects if s.found is None), "")
    if refused:
        omitted.append(Omission("counts of significant subjects, prevalence", refused))
    places = _common(subjects)
    if isinstance(places, Omission):
        omitted.append(places)
    if number < FEWEST_SUBJECTS:
        why = f"{counted(number, 'subject')}; from {FEWEST_SUBJECTS} on, signs are flipped"
        omitted.append(Omission("group test of the mean", why))
    table = pd.DataFrame([subject.row for subject in subjects])
    count = None if refused else int((table["p_any"] <= LEVEL).sum())
    group = GroupLevel(
        subjects=[subject.name for subject in subjects],
        table=table,
        level=LEVEL,
        credible=CREDIBLE,
        seed=settings.seed,
        count=count,
        prevalence=None if count is None else prevalence(count, number),
        voxels=None if isinstance(places, Omission) else _voxels(subjects, places, settings),
    )
    provenance = Provenance(
        KIND,
        any(subject.simulated for subject in subjects),
        settings.key(),
        code,
        tuple(omitted),
        _methods(Done(group, settings.permutations, settings.procedure)),
    )
    write_group(output, group, provenance)


def _methods(done: Done) -> tuple[str, ...]:
    tests: list[Procedure[Done]] = [CountedSubjects()]
    if done.group.voxels is not None and done.group.voxels.test is not None:
        tests.append(FlippedSubjects())
    return tuple(sentence for test in tests for sentence in test.methods(done))


def _voxels(
    subjects: Sequence[Subject], places: Sequence[npt.NDArray[np.intp]], settings: GroupSettings
) -> CommonVoxels:
    """The voxels that all subjects have: means, counts, and the test of enough subjects."""
    z = np.stack([subject.z[own] for subject, own in zip(subjects, places, strict=True)])
    number, first = len(subjects), subjects[0].scored
    counts = shares = test = None
    found = [s.found.p[own] for s, own in zip(subjects, places, strict=True) if s.found]
    if len(found) == number:
        # Uncorrected: what is counted is how many subjects agree.
        counts = np.sum([p <= LEVEL for p in found], axis=0)
        estimates = [prevalence(k, number) for k in range(number + 1)]
        shares = Prevalence(
            *(np.array([getattr(e, key) for e in estimates])[counts] for key in ENDS)
        )
    if number >= FEWEST_SUBJECTS:
        p, p_fwe, smallest = sign_flip(z, settings.permutations, settings.seed)
        q = false_discovery_control(p, method=settings.procedure)
        test = GroupTest(p, p_fwe, q, smallest)
    where = first.grayordinates
    return CommonVoxels(
        ijk=first.ijk[places[0]],
        affine=first.affine,
        shape=tuple(int(n) for n in first.shape),
        grayordinates=where.take(places[0]) if where else None,
        mean_r=np.tanh(z.mean(0)),
        count=counts,
        prevalence=shares,
        test=test,
    )


def _read(encoding: Path, inference: Path) -> Subject:
    scored, fit = read_scores(encoding)
    tested, provenance = read_inference(inference)
    if tested.found is not None and len(tested.found.p) != len(scored.ijk):
        raise UserError(
            f"{inference}: has {len(tested.found.p)} voxels, {encoding} has {len(scored.ijk)}; "
            "delete the first and run again"
        )
    simulated = fit.simulated or provenance.simulated
    name, why = str(scored.about["subject"]), why_refused(provenance)
    return Subject(name, scored, tested.found, why, simulated)


def _common(subjects: Sequence[Subject]) -> list[npt.NDArray[np.intp]] | Omission:
    """For each subject, the places of the voxels that all have, in one order."""
    first = subjects[0]
    what = "voxel by voxel over subjects"
    for other in subjects[1:]:
        same_place = np.allclose(first.scored.affine, other.scored.affine)
        if other.grid != first.grid or not same_place:
            return Omission(what, f"sub-{other.name} lies on another grid than sub-{first.name}")
    flat = [subject.keys for subject in subjects]
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
