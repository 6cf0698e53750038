"""Each voxel by itself: does it respond to one label more than to another?

The analysis of nilearn's example on the data of Haxby et al. (2001): ordinary least squares on the
mean of each label in each run, with the largest t over voxels under permuted labels as its null
(two-sided). nilearn's permutations go through all runs. A second test swaps the two labels within
runs alone, which is what may be exchanged where runs differ: the signs of their differences.
"""

from collections.abc import Sequence
from math import comb
from pathlib import Path

import numpy as np
import numpy.typing as npt
from nilearn.mass_univariate import permuted_ols
from sklearn.feature_selection import f_regression

from tristream.align.exchange import FEWEST_DISTINCT
from tristream.config.decoders import DecoderDesign
from tristream.config.settings.univariate import UnivariateSettings
from tristream.config.univariate import UnivariateDesign
from tristream.decode.decoding_samples import Samples, read_samples
from tristream.decode.mass_univariate_file import KIND, MassUnivariate, write_mass_univariate
from tristream.errors import UserError
from tristream.phrases import counted
from tristream.store import Omission, Provenance

Floats = npt.NDArray[np.floating]


def mass_univariate(samples: Samples, block: UnivariateDesign, pair: str = "") -> MassUnivariate:
    """Compare two labels in every voxel.

    Parameters
    ----------
    samples : Samples
        From :func:`tristream.decode.decoding_samples.read_samples`, or of arrays.
    block : UnivariateDesign
        Its `plus`, `minus`, `permutations` and `seed` are used.
    pair : str
        Name of the comparison.

    Raises
    ------
    UserError
        If a label is not there, fewer than two runs have both, or no voxel varies.
    """
    plus, minus, runs = _means(samples, block)
    condition = np.repeat([1.0, -1.0], len(plus))[:, None]
    means = np.concatenate([plus, minus])
    # Of a voxel that doesn't vary, rounding alone would make a t.
    varies = np.ptp(means, axis=0) > 1e-9 * np.abs(means).max(0)
    if not varies.any():
        raise UserError("no voxel varies over the runs' means; leave the comparison out")

    def whole(values: Floats) -> Floats:
        out = np.full(means.shape[1], np.nan)
        out[varies] = values
        return out

    keys = {
        "n_perm": block.permutations,
        "two_sided_test": True,
        "random_state": block.seed,
        "n_jobs": 1,
        "output_type": "dict",
    }
    free = permuted_ols(condition, means[:, varies], model_intercept=True, **keys)
    sign = np.sign(free["t"][0])
    log_p = sign * free["logp_max_t"][0]
    if arrangements(len(runs)) < FEWEST_DISTINCT:
        log_p = np.full(len(sign), np.nan)
    p = f_regression(means[:, varies], condition[:, 0])[1]
    bonferroni = np.minimum(p * means.shape[1], 1)
    within = np.full(len(sign), np.nan)
    if swaps(len(runs)) >= FEWEST_DISTINCT:
        ones = np.ones((len(runs), 1))
        swapped = permuted_ols(ones, (plus - minus)[:, varies], model_intercept=False, **keys)
        within = np.sign(swapped["t"][0]) * swapped["logp_max_t"][0]
    return MassUnivariate(
        pair=pair,
        plus=block.plus,
        minus=block.minus,
        runs=runs,
        permutations=block.permutations,
        t=whole(free["t"][0]),
        log_p=whole(log_p),
        bonferroni=whole(sign * -np.log10(np.maximum(bonferroni, 1e-300))),
        within_runs=whole(within),
        ijk=samples.ijk,
    )


def arrangements(runs: int) -> int:
    """Distinct permutations of two means a run; to exchange all labels keeps the largest |t|."""
    return comb(2 * runs, runs) // 2


def swaps(runs: int) -> int:
    """Distinct swaps of the two means within runs; all of them reversed keep the largest |t|."""
    return int(2 ** (runs - 1))


def _means(samples: Samples, block: UnivariateDesign) -> tuple[Floats, Floats, list[str]]:
    """Mean of each label in each run that has both, (runs, voxels)."""
    for label in (block.plus, block.minus):
        if label not in samples.classes:
            raise UserError(f"no sample has the label {label!r}; labels: {_all(samples.classes)}")
    y, run = samples.y, samples.sample_run
    wanted = [samples.classes.index(label) for label in (block.plus, block.minus)]
    own = [[(run == r) & (y == k) for r in range(len(samples.runs))] for k in wanted]
    both = [r for r in range(len(samples.runs)) if own[0][r].any() and own[1][r].any()]
    if len(both) < 2:
        raise UserError(
            f"{counted(len(both), 'run')} with samples of {block.plus} and of {block.minus}; a "
            "comparison needs at least two"
        )
    plus, minus = (np.stack([samples.x[rows[r]].mean(0) for r in both]) for rows in own)
    return plus, minus, [samples.runs[r] for r in both]


def _all(names: Sequence[str]) -> str:
    return ", ".join(names)


def fit(
    bold: Sequence[Path],
    samples: Path,
    output: Path,
    settings: UnivariateSettings,
    code: str = "",
) -> MassUnivariate:
    """Compare two labels of one subject and write the file of kind ``mass-univariate``.

    Parameters
    ----------
    bold, samples : paths
        As for :func:`tristream.decode.decoding_samples.read_samples`.
    output : Path
        HDF5 file to write.
    settings : UnivariateSettings
    code : str
        Fingerprint for the provenance.
    """
    block = settings.block
    reading = DecoderDesign(kind="ridge", samples="volumes", delay=block.delay)
    given = read_samples(bold, samples, reading, settings.unit)
    try:
        found = mass_univariate(given, block, settings.pair)
    except UserError as error:
        raise UserError(f"{samples}: {error}") from None
    omitted = given.omitted
    for what, count in _refused(found).items():
        why = f"only {count:,} rearrangements are distinct, fewer than {FEWEST_DISTINCT:,}"
        omitted += (Omission(what, why),)
    provenance = Provenance(
        KIND, given.simulated, settings.key(), code, omitted, tuple(_methods(given, found, block))
    )
    write_mass_univariate(output, found, provenance)
    return found


def _refused(found: MassUnivariate) -> dict[str, int]:
    """Tests without p values, and how many rearrangements they have."""
    counts = {
        "p of permutations of all means": arrangements(len(found.runs)),
        "p of swaps within runs": swaps(len(found.runs)),
    }
    return {what: count for what, count in counts.items() if count < FEWEST_DISTINCT}


def _methods(given: Samples, found: MassUnivariate, block: UnivariateDesign) -> list[str]:
    voxels, runs = len(found.t), len(found.runs)
    sentences = [
        f"Comparison {found.pair} tested in each of {voxels:,} voxels whether the mean of its "
        f"{given.rows} in a run is larger for {found.plus} than for {found.minus}, over {runs} "
        "runs.",
        "F tests gave p values corrected for all voxels by Bonferroni.",
    ]
    if np.isfinite(found.log_p).any():
        sentences.append(
            "nilearn's permuted ordinary least squares [@nilearn] gave two-sided p values "
            f"corrected for all voxels by the largest t under {found.permutations:,} permutations "
            f"of all {2 * runs} means (seed {block.seed})."
        )
    if given.delay:
        sentences.append(f"Volumes took the label that was shown {given.delay:g} s earlier.")
    if np.isfinite(found.within_runs).any():
        sentences.append(
            "A second test of the same kind swapped the two labels within runs alone, which allows "
            "for runs that differ."
        )
    for what, count in _refused(found).items():
        sentences.append(
            f"There is no {what}: only {count:,} rearrangements are distinct, fewer than "
            f"{FEWEST_DISTINCT:,}."
        )
    return sentences
