"""For other people, given these stimuli: signs of subjects flipped, and prevalence.

With few subjects a test of the mean says little, and says it about a mean. So each subject is
tested on its own, the significant ones are counted, and the count gives an estimate of the
prevalence in the population (Ince, Paton, Kay & Schyns 2021, eLife 10:e62461). From eight subjects
on, signs of the subjects' values are flipped as well (Nichols & Holmes 2002, Hum Brain Mapp 15:1):
with eight there are 256 patterns of signs.

People are what is drawn at random here, and the stimuli stay as they are. A response to the film
that people share, whatever in the film it answers, is there in each of them, and correlates with
the features as it happens in this film: sign flips then reject in .12 to .17 of voxels whose
responses have nothing to do with the features. Whether the features are the reason is asked by
:mod:`tristream.inference.shared_stimuli`.
"""

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from tristream.inference.group_file import Prevalence
from tristream.inference.permutation import TOLERANCE

Floats = npt.NDArray[np.floating]
FEWEST_SUBJECTS = 8
# Up to so many patterns of signs, each is taken once.
MOST_PATTERNS = 2**12
LEVEL = 0.05
CREDIBLE = 0.95


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


def prevalences(counts: npt.NDArray[np.integer], subjects: int) -> Prevalence:
    """The same for many counts: arrays of their shape."""
    every = [prevalence(k, subjects) for k in range(subjects + 1)]
    ends = (np.array([getattr(e, end) for e in every])[counts] for end in ("map", "low", "high"))
    return Prevalence(*ends)


def sign_flip(
    values: Floats, permutations: int, seed: int = 0, sides: int = 1
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Test of the mean over subjects, by flipping the subjects' signs.

    The statistic is t: the mean over its standard error. Of one voxel that orders the patterns of
    signs as the mean does; against the largest voxel, one that varies much over subjects then
    counts no more than others (Nichols & Holmes 2002).

    Parameters
    ----------
    values : ndarray of shape (subjects, voxels)
    permutations, seed : int
        Of the draw, where there are more than 4,096 patterns of signs; else each is taken once.
    sides : int
        1 for means above zero, 2 for means on either side.

    Returns
    -------
    p, p_fwe : ndarray of shape (voxels,)
        Per voxel, and against the largest t over voxels.
    smallest : float
        The smallest attainable p.
    """
    subjects = len(values)
    if 2**subjects <= MOST_PATTERNS:
        pattern = np.arange(2**subjects)[:, None] >> np.arange(subjects) & 1
        signs = 1.0 - 2.0 * pattern
    else:
        drawn = np.random.default_rng(seed).choice([-1.0, 1.0], (permutations, subjects))
        signs = np.vstack([np.ones(subjects), drawn])
    values = np.asarray(values, np.float64)
    # Signs leave the sum of squares; of the mean over its root, t is a rising function.
    size = np.sqrt((values**2).sum(0))
    null = signs @ np.divide(values, size, out=np.zeros_like(values), where=size > 0)
    null = np.abs(null) if sides == 2 else null
    # The first pattern is the observed one.
    reached = null >= null[0] - TOLERANCE
    largest = null.max(1)
    p_fwe = (largest[:, None] >= null[0] - TOLERANCE).mean(0)
    return reached.mean(0), p_fwe, sides / len(signs)
