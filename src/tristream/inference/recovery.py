"""Simulated data: how much of the ground truth the encoding models recover.

A model is compared with the oracle: the same encoder, given what drives the simulated voxels. What
the oracle misses is noise and the linear readout; what the model misses beyond it is features.
The study is judged by its subjects together, each subject's own figures are shown beside.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from tristream.align.exchange import FEWEST_DISTINCT
from tristream.config.settings.recovery import RecoverySettings
from tristream.encode.encoding_file import Encoding, read_encoding
from tristream.encode.prediction_scores import centred
from tristream.errors import UserError
from tristream.inference import wording
from tristream.inference.block_estimates import Blocks, BlockSums, Estimate, estimate
from tristream.inference.permutation import (
    exchange_of_runs,
    null_correlations,
    permuted_sums,
)
from tristream.inference.recovery_file import ALL, COLUMNS, KIND, write_recovery
from tristream.inference.tested_runs import TIME, runs_of, widened_runs
from tristream.simulate.truth_file import VoxelTruth, read_truth
from tristream.store import Omission, Provenance

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
LEVEL = 0.05


def modelled(truth: VoxelTruth, bands: Sequence[str]) -> Mask:
    """Voxels driven by nothing but the streams of these bands."""
    return np.array([set(streams.split("+")) <= set(bands) for streams in truth.streams])


@dataclass(frozen=True)
class Check:
    """One row of the table."""

    check: str
    value: float
    low: float = np.nan
    high: float = np.nan
    threshold: str | None = None
    passed: bool | None = None


@dataclass(frozen=True)
class Case:
    """One subject: the model that is judged, its oracle, its shifted control, and the truth."""

    fitted: Encoding
    oracle: Encoding | None
    shifted: Encoding | None
    truth: VoxelTruth


def check_recovery(
    truth: Path,
    encodings: Sequence[Path],
    settings: RecoverySettings,
    output: Path,
    code: str = "",
) -> None:
    """Write the table of checks for all subjects.

    Parameters
    ----------
    truth : Path
        The simulation's truth.
    encodings : sequence of Path
        Encoding files of all subjects and models. The oracle is among `oracles` of the settings,
        the control the one with ``control: shifted``; the model that is judged has the control's
        bands (without a control: the first of the others).
    settings : RecoverySettings
        Permutations, seed, thresholds.
    output : Path
        A TSV.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If no model is to be judged, or voxels are not those of the simulation.
    """
    read, simulated = [], [read_truth(truth).provenance.simulated]
    for path in encodings:
        encoding, provenance = read_encoding(path)
        # In memory: a file's test runs are read each time they are asked for.
        read.append(encoding.in_memory())
        simulated.append(provenance.simulated)
    subjects = sorted({encoding.about["subject"] for encoding in read})
    cases = {}
    for subject in subjects:
        own = [encoding for encoding in read if encoding.about["subject"] == subject]
        cases[subject] = _case(own, subject, truth, settings)
    rows, omitted = [], []
    for label, together in _groups(cases).items():
        checks, left_out = checks_of(together, settings)
        if label != ALL and ALL in _groups(cases):
            checks = [replace(check, threshold=None, passed=None) for check in checks]
        rows += [{"subject": label, **vars(check)} for check in checks]
        name = "all subjects" if label == ALL else f"sub-{label}"
        omitted += [Omission(f"{name}: {o.what}", o.why) for o in left_out]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    given = Provenance(KIND, any(simulated), settings.key(), code, tuple(omitted))
    write_recovery(output, table, given)


def _groups(cases: dict[str, Case]) -> dict[str, list[Case]]:
    """Each subject alone, and all together if they saw the same test."""
    groups = {subject: [case] for subject, case in cases.items()}
    units = {str([t.unit.tolist() for t in c.fitted.tests.values()]) for c in cases.values()}
    if len(cases) > 1 and len(units) == 1:
        groups[ALL] = list(cases.values())
    return groups


def _case(
    encodings: Sequence[Encoding], subject: str, truth: Path, settings: RecoverySettings
) -> Case:
    own = {encoding.about["model"]: encoding for encoding in encodings}
    oracle = next((e for name, e in own.items() if name in settings.oracles), None)
    others = [e for name, e in own.items() if name not in settings.oracles]
    shifted = next((e for e in others if e.about["control"] == "shifted"), None)
    judged = [e for e in others if e.about["control"] == "none"]
    judged = [e for e in judged if set(settings.bands) & set(e.bands)]
    if shifted is not None:
        same = [e for e in judged if e.about["layout"] == shifted.about["layout"]]
        judged = same or judged
    if not judged:
        raise UserError(
            f"sub-{subject}: no model among the encodings has a band named "
            f"{', '.join(settings.bands)}; recovery needs one"
        )
    fitted = judged[0]
    return Case(fitted, oracle, shifted, read_truth(truth).voxels(subject, fitted.ijk))


def checks_of(
    cases: Sequence[Case], settings: RecoverySettings
) -> tuple[list[Check], list[Omission]]:
    """All checks of the mean over some subjects, and those that could not be made."""
    checks: list[Check] = []
    omitted: list[Omission] = []
    oracles = [case.oracle for case in cases if case.oracle is not None]
    controls = [case.shifted for case in cases if case.shifted is not None]
    truths = [case.truth for case in cases]
    if len(oracles) < len(cases):
        omitted.append(Omission("comparison with the oracle", "the study fits no oracle model"))
    else:
        fitted = [case.fitted for case in cases]
        checks += list(_against_oracle(fitted, oracles, truths, settings))
    checks += list(_shared_regions(cases, settings.bands))
    if len(controls) < len(cases):
        omitted.append(Omission("shifted control", "the study fits no model with control: shifted"))
    else:
        checks += list(_control(controls, truths, settings))
    found = _rejection(cases, settings)
    return [*checks, *([found] if isinstance(found, Check) else [])], [
        *omitted,
        *([found] if isinstance(found, Omission) else []),
    ]


def _blocks(encodings: Sequence[Encoding]) -> list[Blocks]:
    return [Blocks(list(encoding.tests.values())) for encoding in encodings]


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _rows(bands: Sequence[str], competing: Sequence[str]) -> list[int]:
    """Where the competing bands stand among `bands`."""
    return [list(bands).index(band) for band in competing if band in bands]


@dataclass(frozen=True)
class BestBands:
    """Voxels driven by one competing stream, above a ceiling, and which stream it is.

    Attributes
    ----------
    rows : list of int
        Competing bands of a model.
    voxels, expected : ndarray of int
        The voxels, and for each the place among `rows` of the band that should be best.
    """

    rows: list[int]
    voxels: npt.NDArray[np.intp]
    expected: npt.NDArray[np.intp]

    @classmethod
    def of(cls, bands: Sequence[str], truth: VoxelTruth, settings: RecoverySettings) -> "BestBands":
        """The voxels in which a model with these bands can name the right stream."""
        rows = _rows(bands, settings.bands)
        expected = np.full(len(truth.streams), -1)
        high = truth.ceiling_r > settings.thresholds.ceiling
        for place, row in enumerate(rows):
            expected[truth.driven_by(bands[row]) & high] = place
        voxels = np.flatnonzero(expected >= 0)
        return cls(rows, voxels, expected[voxels])

    def rate(self, split: Floats) -> float:
        """Share of the voxels in which the right band has the largest share of R²."""
        return float((split[self.rows][:, self.voxels].argmax(0) == self.expected).mean())


def _against_oracle(
    fitted: Sequence[Encoding],
    oracles: Sequence[Encoding],
    truths: Sequence[VoxelTruth],
    settings: RecoverySettings,
) -> Iterator[Check]:
    number, least = len(truths), settings.thresholds
    own, other = _blocks(fitted), _blocks(oracles)
    mine = [BestBands.of(e.bands, t, settings) for e, t in zip(fitted, truths, strict=True)]
    theirs = [BestBands.of(e.bands, t, settings) for e, t in zip(oracles, truths, strict=True)]
    if all(len(w.voxels) for w in mine):

        def rate(best: Sequence[BestBands], sums: Sequence[BlockSums]) -> float:
            return _mean(w.rate(a.split_r2) for w, a in zip(best, sums, strict=True))

        def ratio(*sums: BlockSums) -> float:
            return _ratio(rate(mine, sums[:number]), rate(theirs, sums[number:]))

        name = "winning stream right"
        yield _plain(name, estimate(lambda *sums: rate(mine, sums), *own))
        yield _plain(f"{name}: oracle", estimate(lambda *sums: rate(theirs, sums), *other))
        yield _at_least(f"{name} / oracle", estimate(ratio, *own, *other), least.best_band)
    signal = [modelled(truth, settings.bands) & (truth.ceiling_r > 0) for truth in truths]
    if all(voxels.any() for voxels in signal):

        def accuracy(*sums: BlockSums) -> float:
            return _mean(a.correlation[v].mean() for a, v in zip(sums, signal, strict=True))

        yield _plain("test r", estimate(accuracy, *own))
        yield _plain("test r: oracle", estimate(accuracy, *other))
        found = estimate(
            lambda *sums: _ratio(accuracy(*sums[:number]), accuracy(*sums[number:])), *own, *other
        )
        yield _at_least("test r / oracle", found, least.accuracy)


def _ratio(a: float, b: float) -> float:
    return a / b if b > 0 else np.nan


def _plain(name: str, found: Estimate) -> Check:
    return Check(name, found.value, found.low, found.high)


def _at_least(name: str, found: Estimate, least: float | None) -> Check:
    if least is None:
        return _plain(name, found)
    passed = bool(found.value >= least) if np.isfinite(found.value) else None
    return Check(name, found.value, found.low, found.high, f"at least {least}", passed)


def _shared_regions(cases: Sequence[Case], competing: Sequence[str]) -> Iterator[Check]:
    """Regions driven by several streams show each of them, and no other more."""
    own = _blocks([case.fitted for case in cases])
    bands, truths = cases[0].fitted.bands, [case.truth for case in cases]
    for streams in sorted(set(truths[0].streams[modelled(truths[0], competing)])):
        names = streams.split("+")
        voxels = [truth.driven_by(*names) for truth in truths]
        if len(names) < 2 or not set(names) <= set(bands) or not all(v.any() for v in voxels):
            continue

        def share(row: int, *sums: BlockSums, within: Sequence[Mask] = voxels) -> float:
            return _mean(a.split_r2[row][v].mean() for a, v in zip(sums, within, strict=True))

        order = _rows(bands, competing)
        means = [share(row, *(blocks.whole for blocks in own)) for row in order]
        largest = {bands[order[i]] for i in np.argsort(means)[-len(names) :]}
        for name in names:
            found = estimate(partial(share, bands.index(name)), *own)
            passed = None if np.isnan(found.low) else bool(found.low > 0 and name in largest)
            asked = f"interval above 0, among the {len(names)} largest bands"
            label = f"split R² of {name} in voxels of {' and '.join(names)}"
            yield Check(label, found.value, found.low, found.high, asked, passed)


def _control(
    shifted: Sequence[Encoding], truths: Sequence[VoxelTruth], settings: RecoverySettings
) -> Iterator[Check]:
    """Features out of place: no correlation, and best bands at chance."""
    found = estimate(lambda *sums: _mean(a.correlation.mean() for a in sums), *_blocks(shifted))
    passed = bool(abs(found.value) <= 2 * found.se) if found.se > 0 else None
    interval = (found.value - 2 * found.se, found.value + 2 * found.se)
    yield Check("shifted: mean test r", found.value, *interval, "within 2 SE of 0", passed)
    best = [BestBands.of(e.bands, t, settings) for e, t in zip(shifted, truths, strict=True)]
    moves = exchange_of_runs(runs_of(shifted[0]), TIME)
    if moves.sets and all(len(w.voxels) for w in best):
        pairs = list(zip(shifted, best, strict=True))
        # One seed: the same blocks change places in all subjects, who saw the same film.
        null = np.mean([_null_rates(e, w, settings) for e, w in pairs], axis=0)
        low, high = (float(v) for v in np.quantile(null, [0.025, 0.975]))
        value = _mean(w.rate(e.scores.band_r2) for e, w in pairs)
        asked = f"at most {high:.3g}: the 97.5th percentile of chance (mean {null.mean():.2f})"
        passed = value <= high if moves.distinct >= FEWEST_DISTINCT else None
        yield Check("shifted: winning stream right", value, low, high, asked, passed)


def _null_rates(
    encoding: Encoding, best: BestBands, settings: RecoverySettings
) -> npt.NDArray[np.float64]:
    """How often the right band is best by chance: when blocks of the predictions change places.

    Voxels stay as alike as they are. In R²_b = (2 <y, p_b> - <p, p_b>) / <y, y> only the first
    product changes.
    """
    moves = exchange_of_runs(runs_of(encoding), TIME)
    orders = moves.draw(0, settings.permutations, settings.seed)
    own = best.voxels
    split = np.zeros((settings.permutations, len(encoding.bands), len(own)))
    for number, test in enumerate(encoding.tests.values()):
        y = centred(test.y[:, own])
        bands = centred(test.band_prediction[:, :, own], axis=1)
        spread = (y**2).sum(0)
        for band, prediction in enumerate(bands):
            _, with_y = permuted_sums(y, prediction, moves.of_run(number), orders)
            share = 2 * with_y - (bands.sum(0) * prediction).sum(0)
            split[:, band] += share / np.where(spread > 0, spread, np.inf)
    picked = split[:, best.rows].argmax(1) == best.expected
    return picked.mean(1)


def _rejection(cases: Sequence[Case], settings: RecoverySettings) -> Check | Omission:
    """Share of voxels without signal that the permutation test calls predicted at p < .05.

    The voxels' p values are as alike as their noise is. How many independent voxels they are
    worth follows from how much the rate varies over permutations, and the interval is that of
    Clopper and Pearson for so many.
    """
    name = f"rejected at p < {LEVEL} where there is no signal"
    moves = exchange_of_runs(runs_of(cases[0].fitted), TIME)
    if not all(case.truth.driven_by("none").any() for case in cases):
        return Omission(name, "the simulation has no voxels of noise alone")
    if cases[0].fitted.about["scheme"] != "holdout":
        return Omission(name, "it is for held-out test runs")
    if moves.distinct < FEWEST_DISTINCT:
        return Omission(name, wording.too_few(moves, TIME))
    counts = [_rejected(case, settings) for case in cases]
    rejected = np.concatenate([seen for seen, _ in counts])
    null_rate = np.sum([null for _, null in counts], axis=0)
    value = float(rejected.mean())
    variance = float((null_rate / len(rejected)).var())
    worth = min(len(rejected), LEVEL * (1 - LEVEL) / variance) if variance > 0 else len(rejected)
    interval = stats.beta.ppf(
        [0.025, 0.975],
        [max(value * worth, 1e-12), value * worth + 1],
        [(1 - value) * worth + 1, max((1 - value) * worth, 1e-12)],
    )
    low, high = float(interval[0]), float(interval[1])
    return Check(name, value, low, high, f"interval holds {LEVEL}", bool(low <= LEVEL <= high))


def _rejected(case: Case, settings: RecoverySettings) -> tuple[Mask, Floats]:
    """Silent voxels that are rejected, and how many each permutation rejects."""
    plain = runs_of(case.fitted)
    moves = exchange_of_runs(plain, TIME)  # a simulated film
    runs = widened_runs(plain, moves, TIME)
    silent = case.truth.driven_by("none")
    orders = moves.draw(0, settings.permutations, settings.seed)
    rejected, null_count = np.zeros(0, bool), np.zeros(settings.permutations)
    for part in np.array_split(np.flatnonzero(silent), 1 + silent.sum() // 512):
        seen, null = null_correlations(runs, moves, orders, part)
        limit = np.quantile(np.vstack([seen, null]), 1 - LEVEL, axis=0)
        rejected = np.append(rejected, seen > limit)
        null_count += (null > limit).sum(1)
    return rejected, null_count
