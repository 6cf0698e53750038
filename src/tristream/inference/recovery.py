"""Simulated data: how much of the ground truth the encoding models recover.

A model is compared with the oracle: the same encoder, given what drives the simulated voxels. What
the oracle misses is noise and the linear readout; what the model misses beyond it is features.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from tristream.config.analysis import Inference
from tristream.encode.files import Encoding, read_encoding
from tristream.encode.scores import centred
from tristream.errors import UserError
from tristream.inference.blocks import Blocks, BlockSums, Estimate, estimate
from tristream.inference.encoding import FEWEST_DISTINCT, runs_of
from tristream.inference.permutation import (
    PredictedRun,
    distinct_permutations,
    draw,
    movable_rows,
    null_correlations,
    permuted_sums,
)
from tristream.store import Omission, Provenance, open_h5, provenance_of, read_strings, write_table

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
COMPETING = ("ventral", "dorsal", "auditory")
SIGNAL_CEILING = 0.3
WINNER_SHARE = 0.85
ACCURACY_SHARE = 0.65
P = 0.05
COLUMNS = {
    "subject": "Subject label",
    "check": "What is compared with the truth",
    "value": "Estimate",
    "low": "Lower end of the 95 % interval",
    "high": "Upper end of the 95 % interval",
    "threshold": "What is asked for; n/a where the value is only shown",
    "passed": "Whether it is so; n/a where nothing is asked for, or it can't be told",
}


@dataclass(frozen=True)
class Truth:
    """What is true of a subject's voxels: streams that drive each, and its noise ceiling."""

    streams: npt.NDArray[np.str_]
    ceiling: Floats

    def driven_by(self, *streams: str) -> Mask:
        """Voxels driven by exactly these streams."""
        wanted = sorted(streams)
        return np.array([sorted(s.split("+")) == wanted for s in self.streams])

    @property
    def modelled(self) -> Mask:
        """Voxels driven by nothing but competing streams."""
        return np.array([set(s.split("+")) <= set(COMPETING) for s in self.streams])


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
class Models:
    """One subject's models: the one that is judged, its oracle and its shifted control."""

    fitted: Encoding
    oracle: Encoding | None
    shifted: Encoding | None


def check_recovery(
    truth: Path, encodings: Sequence[Path], settings: Inference, output: Path, code: str = ""
) -> None:
    """Write the table of checks for all subjects.

    Parameters
    ----------
    truth : Path
        The simulation's truth.
    encodings : sequence of Path
        Encoding files of all subjects and models. The oracle is the one with a band of the
        stream ``truth``, the control the one with ``control: shifted``; the model that is judged
        has the control's bands (without a control: the first of the others).
    settings : Inference
        Permutations and seed.
    output : Path
        A TSV.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If no model is to be judged, or voxels are not those of the simulation.
    """
    read = [read_encoding(path)[0] for path in encodings]
    subjects = sorted({encoding.about["subject"] for encoding in read})
    rows, omitted = [], []
    for subject in subjects:
        own = [encoding for encoding in read if encoding.about["subject"] == subject]
        models = _roles(own, subject)
        known = read_truth(truth, subject, models.fitted.ijk)
        checks, left_out = subject_checks(models, known, settings)
        rows += [{"subject": subject, **vars(check)} for check in checks]
        omitted += [Omission(f"sub-{subject}: {o.what}", o.why) for o in left_out]
    simulated = [provenance_of(path, "encoding").simulated for path in encodings]
    config = {"inference": settings.model_dump(mode="json")}
    provenance = Provenance(
        "recovery",
        any([*simulated, provenance_of(truth, "truth").simulated]),
        config,
        code,
        tuple(omitted),
    )
    write_table(output, pd.DataFrame(rows, columns=list(COLUMNS)), provenance, COLUMNS)


def _roles(encodings: Sequence[Encoding], subject: str) -> Models:
    def is_oracle(encoding: Encoding) -> bool:
        return any("truth" in streams for streams in encoding.about["streams"].values())

    oracle = next((e for e in encodings if is_oracle(e)), None)
    shifted = next((e for e in encodings if e.about["control"] == "shifted"), None)
    judged = [e for e in encodings if not is_oracle(e) and e.about["control"] == "none"]
    judged = [e for e in judged if set(COMPETING) & set(e.bands)]
    if shifted is not None:
        same = [e for e in judged if e.about["layout"] == shifted.about["layout"]]
        judged = same or judged
    if not judged:
        raise UserError(
            f"sub-{subject}: no model among the encodings has a band named "
            f"{', '.join(COMPETING)}; recovery needs one"
        )
    return Models(judged[0], oracle, shifted)


def read_truth(path: Path, subject: str, ijk: npt.NDArray[np.int32]) -> Truth:
    """Truth of the voxels at `ijk`, in their order.

    Raises
    ------
    UserError
        If the simulation has no such subject, or a voxel is not among its voxels.
    """
    with open_h5(path, "truth") as (file, _):
        if subject not in file["subjects"]:
            raise UserError(f"{path}: no subject {subject!r}; simulate again")
        group = file["subjects"][subject]
        place = {tuple(v): i for i, v in enumerate(group["ijk"][()].tolist())}
        try:
            index = [place[tuple(v)] for v in ijk.tolist()]
        except KeyError as error:
            raise UserError(f"{path}: voxel {error} was not simulated; simulate again") from None
        return Truth(np.array(read_strings(group, "streams"))[index], group["ceiling_r"][()][index])


def subject_checks(
    models: Models, truth: Truth, settings: Inference
) -> tuple[list[Check], list[Omission]]:
    """All checks of one subject, and those that could not be made."""
    checks: list[Check] = []
    omitted: list[Omission] = []
    fitted = Blocks(list(models.fitted.tests.values()))
    if models.oracle is None:
        omitted.append(Omission("comparison with the oracle", "the study fits no oracle model"))
    else:
        checks += list(_against_oracle(models.fitted, fitted, models.oracle, truth))
    checks += list(_shared_regions(models.fitted, fitted, truth))
    if models.shifted is None:
        omitted.append(Omission("shifted control", "the study fits no model with control: shifted"))
    else:
        checks += list(_control(models.shifted, truth, settings))
    found = _rejection(models.fitted, truth, settings)
    return [*checks, *([found] if isinstance(found, Check) else [])], [
        *omitted,
        *([found] if isinstance(found, Omission) else []),
    ]


def _rows(bands: Sequence[str]) -> list[int]:
    """Where the competing bands stand among `bands`."""
    return [list(bands).index(band) for band in COMPETING if band in bands]


@dataclass(frozen=True)
class Winners:
    """Voxels driven by one competing stream, with a ceiling r above 0.3, and which it is.

    Attributes
    ----------
    rows : list of int
        Competing bands of a model.
    voxels, expected : ndarray of int
        The voxels, and for each the place among `rows` of the band that should win.
    """

    rows: list[int]
    voxels: npt.NDArray[np.intp]
    expected: npt.NDArray[np.intp]

    @classmethod
    def of(cls, bands: Sequence[str], truth: Truth) -> "Winners":
        """The voxels in which a model with these bands can name the right stream."""
        rows = _rows(bands)
        expected = np.full(len(truth.streams), -1)
        for place, row in enumerate(rows):
            expected[truth.driven_by(bands[row]) & (truth.ceiling > SIGNAL_CEILING)] = place
        voxels = np.flatnonzero(expected >= 0)
        return cls(rows, voxels, expected[voxels])

    def rate(self, split: Floats) -> float:
        """Share of the voxels in which the right band has the largest share of R²."""
        return float((split[self.rows][:, self.voxels].argmax(0) == self.expected).mean())


def _against_oracle(
    fitted: Encoding, own: Blocks, oracle: Encoding, truth: Truth
) -> Iterator[Check]:
    other = Blocks(list(oracle.tests.values()))
    mine, theirs = Winners.of(fitted.bands, truth), Winners.of(oracle.bands, truth)
    if len(mine.voxels):
        name = "winning stream right"
        yield _plain(name, estimate(lambda a: mine.rate(a.split_r2), own))
        yield _plain(f"{name}: oracle", estimate(lambda a: theirs.rate(a.split_r2), other))

        def ratio(a: BlockSums, b: BlockSums) -> float:
            return _ratio(mine.rate(a.split_r2), theirs.rate(b.split_r2))

        yield _at_least(f"{name} / oracle", estimate(ratio, own, other), WINNER_SHARE)
    signal = truth.modelled & (truth.ceiling > 0)
    if signal.any():

        def mean(sums: BlockSums) -> float:
            return float(sums.correlation[signal].mean())

        yield _plain("test r", estimate(mean, own))
        yield _plain("test r: oracle", estimate(mean, other))
        found = estimate(lambda a, b: _ratio(mean(a), mean(b)), own, other)
        yield _at_least("test r / oracle", found, ACCURACY_SHARE)


def _ratio(a: float, b: float) -> float:
    return a / b if b > 0 else np.nan


def _plain(name: str, found: Estimate) -> Check:
    return Check(name, found.value, found.low, found.high)


def _at_least(name: str, found: Estimate, least: float) -> Check:
    passed = bool(found.value >= least) if np.isfinite(found.value) else None
    return Check(name, found.value, found.low, found.high, f"at least {least}", passed)


def _shared_regions(fitted: Encoding, own: Blocks, truth: Truth) -> Iterator[Check]:
    """Regions driven by several streams show each of them, and no other more."""
    for streams in sorted(set(truth.streams[truth.modelled])):
        names = streams.split("+")
        if len(names) < 2 or not set(names) <= set(fitted.bands):
            continue
        voxels = truth.driven_by(*names)
        order = _rows(fitted.bands)
        means = own.whole.split_r2[order][:, voxels].mean(1)
        largest = {fitted.bands[order[i]] for i in np.argsort(means)[-len(names) :]}
        for name in names:
            row = fitted.bands.index(name)

            def mean(sums: BlockSums, row: int = row, voxels: Mask = voxels) -> float:
                return float(sums.split_r2[row][voxels].mean())

            found = estimate(mean, own)
            passed = None if np.isnan(found.low) else bool(found.low > 0 and name in largest)
            asked = f"interval above 0, among the {len(names)} largest bands"
            label = f"split R² of {name} in voxels of {' and '.join(names)}"
            yield Check(label, found.value, found.low, found.high, asked, passed)


def _control(shifted: Encoding, truth: Truth, settings: Inference) -> Iterator[Check]:
    """Features out of place: no correlation, and winners at chance."""
    own = Blocks(list(shifted.tests.values()))
    found = estimate(lambda a: a.correlation.mean(), own)
    passed = bool(abs(found.value) <= 2 * found.se) if found.se > 0 else None
    interval = (found.value - 2 * found.se, found.value + 2 * found.se)
    yield Check("shifted: mean test r", found.value, *interval, "within 2 SE of 0", passed)
    winners = Winners.of(shifted.bands, truth)
    if len(winners.voxels):
        null = _null_winner_rates(shifted, winners, settings)
        low, high = (float(v) for v in np.quantile(null, [0.025, 0.975]))
        value = winners.rate(shifted.scores.band_r2)
        asked = f"at most {high:.3g}: the 97.5th percentile of chance (mean {null.mean():.2f})"
        enough = distinct_permutations(runs_of(shifted)) >= FEWEST_DISTINCT
        passed = value <= high if enough else None
        yield Check("shifted: winning stream right", value, low, high, asked, passed)


def _null_winner_rates(
    encoding: Encoding, winners: Winners, settings: Inference
) -> npt.NDArray[np.float64]:
    """Winner rates when blocks of the predictions change places: chance, voxels as alike as ever.

    In R²_b = (2 <y, p_b> - <p, p_b>) / <y, y> only the first product changes.
    """
    orders = draw(runs_of(encoding), settings.permutations, settings.seed)
    own = winners.voxels
    split = np.zeros((settings.permutations, len(encoding.bands), len(own)))
    for test, order in zip(encoding.tests.values(), orders, strict=True):
        y = centred(test.y[:, own])
        bands = centred(test.band_prediction[:, :, own], axis=1)
        spread = (y**2).sum(0)
        rows = movable_rows(test.unit)
        for band, prediction in enumerate(bands):
            _, with_y = permuted_sums(y, prediction, rows, order)
            share = 2 * with_y - (bands.sum(0) * prediction).sum(0)
            split[:, band] += share / np.where(spread > 0, spread, np.inf)
    picked = split[:, winners.rows].argmax(1) == winners.expected
    return picked.mean(1)


def _rejection(encoding: Encoding, truth: Truth, settings: Inference) -> Check | Omission:
    """Share of voxels without signal that the permutation test calls predicted at p < .05.

    The voxels' p values are as alike as their noise is. How many independent voxels they are
    worth follows from how much the rate varies over permutations, and the interval is that of
    Clopper and Pearson for so many.
    """
    name = f"rejected at p < {P} where there is no signal"
    runs = runs_of(encoding)
    silent = truth.driven_by("none")
    if not silent.any():
        return Omission(name, "the simulation has no voxels of noise alone")
    if encoding.about["scheme"] != "holdout":
        return Omission(name, "it is for held-out test runs")
    if distinct_permutations(runs) < FEWEST_DISTINCT:
        return Omission(name, "too few distinct permutations for p values")
    orders = draw(runs, settings.permutations, settings.seed)
    rejected, null_rate = np.zeros(0, bool), np.zeros(settings.permutations)
    for part in np.array_split(np.flatnonzero(silent), 1 + silent.sum() // 512):
        slim = [PredictedRun(run.y[:, part], run.prediction[:, part], run.unit) for run in runs]
        seen, null = null_correlations(slim, orders)
        everything = np.vstack([seen, null])
        limit = np.quantile(everything, 1 - P, axis=0)
        rejected = np.append(rejected, seen > limit)
        null_rate += (null > limit).sum(1)
    value = float(rejected.mean())
    variance = float((null_rate / len(rejected)).var())
    worth = min(len(rejected), P * (1 - P) / variance) if variance > 0 else len(rejected)
    interval = stats.beta.ppf(
        [0.025, 0.975],
        [max(value * worth, 1e-12), value * worth + 1],
        [(1 - value) * worth + 1, max((1 - value) * worth, 1e-12)],
    )
    low, high = float(interval[0]), float(interval[1])
    return Check(name, value, low, high, f"interval holds {P}", bool(low <= P <= high))
