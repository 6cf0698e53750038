"""The lag scan: how well features predict the BOLD as they are shifted in time.

If onsets, StartTime, trims and TR are right, the best prediction comes when features are shifted by
the haemodynamic lag, some 4 to 6 s. A wrong onset or an ignored StartTime moves the peak; runs in
the wrong order destroy it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.interpolate import CubicSpline
from sklearn.utils.extmath import randomized_svd

from tristream.align.aligned import check_times, read_aligned, read_info
from tristream.align.samples import read_samples
from tristream.bold.cleaning import project_out
from tristream.bold.run_file import Run, read_run, read_runs
from tristream.errors import UserError
from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

KIND = "lagscan"
LAGS = np.arange(-4.0, 12.01, 0.5)
# Principal components of a feature space, and samples wanted for each.
COMPONENTS = 20
SAMPLES_EACH = 10
# Share of the voxels, best on training runs, whose median is reported.
BEST = 0.1
# More voxels than this are thinned evenly: a median over hundreds is steady.
MOST_VOXELS = 8192

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LagScan:
    """The lag scan of one subject.

    Attributes
    ----------
    lags : ndarray of shape (lags,)
        Seconds by which the BOLD follows the features.
    layers : tuple of str
        ``space/layer``.
    r : ndarray of shape (layers, lags)
        Correlation on held-out runs, see :func:`scan`.
    peak : ndarray of shape (layers,)
        Lag of the highest correlation in seconds.
    provenance : Provenance
    """

    lags: Array
    layers: tuple[str, ...]
    r: Array
    peak: Array
    provenance: Provenance


def read_lagscan(path: Path | str) -> LagScan:
    """Read what :func:`write_lagscan` wrote."""
    with open_h5(path, KIND) as (file, provenance):
        return LagScan(
            lags=file["lags"][()],
            layers=tuple(read_strings(file, "spaces")),
            r=file["r"][()],
            peak=file["peak"][()],
            provenance=provenance,
        )


@dataclass(frozen=True)
class ScanRun:
    """One run of the scan.

    Attributes
    ----------
    time : ndarray of shape (volumes,)
        Seconds.
    bold : ndarray of shape (volumes, voxels)
        Cleaned BOLD.
    projection : ndarray of shape (volumes, q)
        What was projected out of it.
    rows : ndarray of int
        Volumes to scan.
    train : bool
        Whether the run trains or tests.
    """

    time: Array
    bold: npt.NDArray[np.float32]
    projection: Array
    rows: npt.NDArray[np.intp]
    train: bool


def scan(
    features: Mapping[str, npt.NDArray], runs: Mapping[str, ScanRun], lags: Array = LAGS
) -> Array:
    """Prediction on held-out runs as a function of the lag of the features.

    The first principal components of the training runs' features are shifted (cubic splines
    between volumes), regressed on the training runs' BOLD, and the prediction is correlated with
    the test runs' BOLD.

    Parameters
    ----------
    features : dict of run to ndarray of shape (volumes, p)
        Undelayed features.
    runs : dict of run to ScanRun
        BOLD; at least one run trains and one tests.
    lags : ndarray of shape (lags,)
        Seconds by which the BOLD follows the features.

    Returns
    -------
    ndarray of shape (lags,)
        Median correlation over the tenth of the voxels with the best fit, at any lag, on the
        training runs.
    """
    scores = _components(features, runs)
    curves = {run: CubicSpline(runs[run].time, values) for run, values in scores.items()}
    train = {name: run for name, run in runs.items() if run.train}
    test = {name: run for name, run in runs.items() if not run.train}
    y = _bold(train)
    norm = np.maximum(np.einsum("nv,nv->v", y, y), 1e-12)
    bases, highest = [], np.full(y.shape[1], -np.inf)
    for lag in lags:
        q, triangle = np.linalg.qr(_shifted(curves, train, lag))
        on_q = q.T @ y
        np.maximum(highest, np.einsum("pv,pv->v", on_q, on_q) / norm, out=highest)
        bases.append((q, triangle))
    best = np.argsort(-highest, kind="stable")[: max(round(BEST * y.shape[1]), 1)]
    y, y_test = y[:, best], _bold(test)[:, best]
    y_test -= y_test.mean(axis=0)
    norm_test = np.linalg.norm(y_test, axis=0)
    r = np.empty((len(lags), len(best)))
    for index, (lag, (q, triangle)) in enumerate(zip(lags, bases, strict=True)):
        # Components that a projection took out leave no pivot: they get no weight.
        weights = np.linalg.lstsq(triangle, q.T @ y, rcond=1e-10)[0]
        prediction = _shifted(curves, test, lag) @ weights
        prediction -= prediction.mean(axis=0)
        size = np.linalg.norm(prediction, axis=0) * norm_test
        r[index] = np.sum(prediction * y_test, axis=0) / np.maximum(size, 1e-12)
    return np.asarray(np.median(r, axis=1))


def peak_lag(lags: Array, r: Array) -> float:
    """Lag of the highest prediction, refined by a parabola through its neighbours.

    Parameters
    ----------
    lags, r : ndarray of shape (lags,)
        Equally spaced lags (s), and the prediction at each.

    Returns
    -------
    float
        Seconds; an end of the range if the highest value stands there.
    """
    top = int(np.argmax(r))
    if top in (0, len(r) - 1):
        return float(lags[top])
    left, middle, right = r[top - 1 : top + 2]
    bend = left - 2 * middle + right
    offset = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(lags[top] + offset * (lags[1] - lags[0]))


def write_lagscan(
    aligned: Sequence[Path],
    bold: Sequence[Path],
    samples: Path,
    output: Path,
    code: str = "",
) -> None:
    """Scan every aligned layer of a subject.

    With leave-one-run-out, every second run trains and the others test. Features of items are zero
    between events, so volumes there show when a response begins and ends: they are scanned too.
    Films are scanned within the film, as the response to its start would be the same in any run.

    Parameters
    ----------
    aligned, bold : list of Path
        Aligned layers; the subject's runs.
    samples : Path
        The subject's sample index.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If the files don't fit together.
    """
    runs = read_runs(bold, signal=False)
    thinned = [_thinned(path) for path in bold]
    table, sampled = read_samples(samples)
    scan_runs = {
        "timed": _scan_runs(runs, thinned, table, samples, rests=False),
        "item": _scan_runs(runs, thinned, table, samples, rests=True),
    }
    infos = [read_info(path) for path in aligned]
    r = np.empty((len(aligned), len(LAGS)))
    for index, (path, info) in enumerate(zip(aligned, infos, strict=True)):
        check_times(path, runs)
        r[index] = scan(read_aligned(path), scan_runs[info.sampling])
    simulated = sampled.simulated or any(run.simulated for run in runs)
    simulated = simulated or any(info.simulated for info in infos)
    with create_h5(output, Provenance(KIND, simulated, code=code)) as file:
        file["lags"], file["r"] = LAGS, r
        file["peak"] = [peak_lag(LAGS, row) for row in r]
        write_strings(file, "spaces", [f"{info.space}/{info.layer}" for info in infos])


def _thinned(path: Path) -> npt.NDArray[np.float32]:
    """BOLD of every so-manieth voxel, `MOST_VOXELS` at most; of one run, as all are too large."""
    bold = read_run(path).bold
    return bold[:, :: -(-bold.shape[1] // MOST_VOXELS)].copy()


def _scan_runs(
    runs: Sequence[Run],
    bold: Sequence[npt.NDArray[np.float32]],
    table: pd.DataFrame,
    samples: Path,
    rests: bool,
) -> dict[str, ScanRun]:
    out: dict[str, ScanRun] = {}
    for number, run in enumerate(runs):
        mine = table[table["run"] == run.run]
        if len(mine) != run.n_volumes:
            raise UserError(
                f"{samples}: {run.run} has {len(mine)} rows, its BOLD {run.n_volumes} volumes; "
                "write it again"
            )
        usable = mine["keep"]
        if rests:
            usable = usable | ((mine["item"] == "") & ~mine["censor"])
        rows = np.sort(mine.loc[usable, "row"].to_numpy(np.intp))
        if mine["keep"].any():
            split = mine["split"].iloc[0]
            train = split == "train" or (split == "each" and number % 2 == 0)
            out[run.run] = ScanRun(run.time, bold[number], run.projection, rows, train)
    if len({run.train for run in out.values()}) < 2:
        raise UserError(f"{samples}: the lag scan needs samples in both training and test runs")
    return out


def _components(
    features: Mapping[str, npt.NDArray], runs: Mapping[str, ScanRun]
) -> dict[str, Array]:
    """Principal components of the training samples' standardized features, for all volumes."""
    stacked = np.concatenate(
        [
            np.asarray(features[name][run.rows], np.float32)
            for name, run in runs.items()
            if run.train
        ]
    )
    mean, deviation = stacked.mean(axis=0), stacked.std(axis=0)
    scale = np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 0)
    stacked = (stacked - mean) * scale
    number = max(min(COMPONENTS, stacked.shape[1], len(stacked) // SAMPLES_EACH), 1)
    axes = randomized_svd(stacked, number, n_iter=4, random_state=0)[2]
    return {name: ((features[name] - mean) * scale) @ axes.T.astype(np.float64) for name in runs}


def _shifted(curves: Mapping[str, CubicSpline], runs: Mapping[str, ScanRun], lag: float) -> Array:
    """Components `lag` seconds earlier at the samples of these runs, cleaned like their BOLD."""
    parts = []
    for name, run in runs.items():
        earlier = np.clip(run.time - lag, run.time[0], run.time[-1])
        parts.append(project_out(curves[name](earlier), run.projection)[run.rows])
    return np.concatenate(parts)


def _bold(runs: Mapping[str, ScanRun]) -> Array:
    return np.concatenate([run.bold[run.rows] for run in runs.values()]).astype(np.float64)
