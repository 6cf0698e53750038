"""What the viewer tells of single voxels beside their maps: responses over delays, top stimuli."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align.samples import exchange_unit, read_samples
from tristream.encode.disk_arrays import columns
from tristream.encode.encoding_file import Encoding, HeldOut, read_encoding
from tristream.encode.voxel_curves import OMITTED, VoxelCurves, best_voxels
from tristream.errors import UserError
from tristream.report.study_results import Results
from tristream.report.viewer_data import packed, packed_numbers

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
EARLIER = "the model was fitted by an earlier version; fit it again"
TOP = 3
# Where the response of a haemodynamic basis is largest, seconds.
PEAK = 5.0
MOST_NAMES = 2


@dataclass(frozen=True)
class TopStimuli:
    """The stimuli of test runs that a voxel answers most to, the first one most.

    Attributes
    ----------
    names : list of str
        All stimuli: items, or blocks of time.
    index : ndarray of int of shape (TOP or fewer, voxels)
        Which of them.
    measured, predicted : ndarray of shape (TOP or fewer, voxels)
        Means of the BOLD, and of its prediction, in standard deviations.
    lag : float
        Seconds from a stimulus to the volumes that are put down to it.
    """

    names: list[str]
    index: Ints
    measured: Floats
    predicted: Floats
    lag: float


@dataclass(frozen=True)
class Details:
    """Of one model and subject.

    Attributes
    ----------
    places : ndarray of int of shape (voxels,)
        Which of the analysed voxels.
    bands : list of str
    responses : VoxelCurves or None
    stimuli : TopStimuli or None
    why : dict of str to str
        What is None, and why.
    """

    places: Ints
    bands: list[str]
    responses: VoxelCurves | None = None
    stimuli: TopStimuli | None = None
    why: Mapping[str, str] = field(default_factory=dict)

    def packed(self, colours: Mapping[str, str]) -> dict[str, Any]:
        """As the page holds it; `colours` are those of the bands."""
        out: dict[str, Any] = {
            "places": packed(self.places.astype(np.int32)),
            "why": dict(self.why),
        }
        if (found := self.responses) is not None:
            out["responses"] = {
                "seconds": found.seconds.tolist(),
                "bands": [{"name": band, "colour": colours[band]} for band in self.bands],
                "curve": packed_numbers(found.curve),
                "length": packed_numbers(found.length, precise=True),
            }
        if (top := self.stimuli) is not None:
            out["stimuli"] = {
                "names": top.names,
                "index": packed_numbers(top.index),
                "measured": packed_numbers(top.measured),
                "predicted": packed_numbers(top.predicted),
            }
        return out

    def table(self, ijk: Ints) -> pd.DataFrame:
        """The same as a table, a row a voxel; `ijk` are those of all analysed voxels."""
        found: dict[str, Any] = dict(zip("ijk", ijk[self.places].T, strict=True))
        if self.responses is not None:
            for number, band in enumerate(self.bands):
                found[f"{band}, length"] = self.responses.length[number]
                curve = self.responses.curve[number].round(6)
                for seconds, values in zip(self.responses.seconds, curve, strict=True):
                    found[f"{band}, {seconds:g} s"] = values
        if (top := self.stimuli) is not None:
            names = np.array(top.names, object)
            for rank, index in enumerate(top.index):
                found[f"stimulus {rank + 1}"] = names[index]
                found[f"measured {rank + 1}"] = top.measured[rank].round(6)
                found[f"predicted {rank + 1}"] = top.predicted[rank].round(6)
        return pd.DataFrame(found)


def details(results: Results, dataset: str, model: str, subject: str) -> Details:
    """Responses and top stimuli of one model and subject, as far as files give them.

    Parameters
    ----------
    results : Results
        The encoding must be there.
    dataset, model, subject : str
        Of whom.
    """
    path = results.path("encoding", dataset=dataset, model=model, subject=subject)
    encoding, provenance = read_encoding(path, whole=False)
    why, stimuli = {}, None
    if encoding.curves is None:
        known = (one.why for one in provenance.omitted if one.what == OMITTED)
        why["responses"] = next(known, EARLIER)
        places = best_voxels(encoding.fitted.cv)
    else:
        places = encoding.curves.places
    try:
        stimuli = _top_stimuli(results, encoding, dataset, subject, places)
    except UserError as error:
        why["stimuli"] = str(error)
    return Details(places, encoding.bands, encoding.curves, stimuli, why)


def _top_stimuli(
    results: Results, encoding: Encoding, dataset: str, subject: str, places: Ints
) -> TopStimuli:
    path = results.path("samples", dataset=dataset, subject=subject)
    if gone := results.missing(f"Top stimuli of voxels of sub-{subject}", path):
        raise UserError(gone[0].why)
    table, provenance = read_samples(path)
    results.read(path, provenance)
    by_time = exchange_unit(provenance) == "time"
    tr = float(encoding.about["tr"])
    lag = _lag(encoding.about, tr)
    shown: dict[str, list[str]] = {}
    for test in encoding.tests.values():
        run = test.runs[0]
        if run not in shown:
            own = table[table["run"] == run].sort_values("row")
            shown[run] = _blocks(own, run, tr) if by_time else _items(own)
    return top_stimuli(encoding.tests, shown, places, lag, tr)


def _lag(about: Mapping[str, Any], tr: float) -> int:
    """Volumes from a stimulus to the middle of the response to it."""
    return round(float(np.mean(about["delays"]))) if about["hrf"] == "fir" else round(PEAK / tr)


def _items(own: pd.DataFrame) -> list[str]:
    """What each row shows: its item, or its label."""
    return [item or label for item, label in zip(own["item"], own["label"], strict=True)]


def _blocks(own: pd.DataFrame, run: str, tr: float) -> list[str]:
    """The block of time of each row, by what is shown in it and when."""
    names = {"": ""}
    for unit, rows in own.groupby("unit", sort=False):
        if unit:
            shown = [item for item in dict.fromkeys(rows["item"]) if item]
            more = " …" if len(shown) > MOST_NAMES else ""
            what = f"{', '.join(shown[:MOST_NAMES])}{more}, " if shown else ""
            start, end = rows["time"].min(), rows["time"].max() + tr
            names[str(unit)] = f"{what}{start:g} to {end:g} s of {run}"
    return [names[str(unit)] for unit in own["unit"]]


def top_stimuli(
    tests: Mapping[str, HeldOut],
    shown: Mapping[str, Sequence[str]],
    places: Ints,
    lag: int,
    tr: float,
) -> TopStimuli:
    """The stimuli with the largest mean of the BOLD, which is put down to what it answers.

    Stimuli with less than half as many samples as most have are left out.

    Parameters
    ----------
    tests : mapping of str to HeldOut
        Test runs.
    shown : mapping of str to sequence of str
        First run of each to what every row of its file shows; empty for nothing.
    places : ndarray of int of shape (voxels,)
        Which voxels.
    lag : int
        Volumes from a stimulus to its response.
    tr : float
        Seconds of a volume.

    Raises
    ------
    UserError
        If there are not two stimuli to compare.
    """
    known: dict[str, int] = {}
    parts = []
    for test in tests.values():
        names = ["", *shown[test.runs[0]]]
        own = [names[max(int(row) - lag, -1) + 1] for row in test.rows]
        codes = np.array([known.setdefault(name, len(known)) if name else -1 for name in own])
        parts.append((test, codes))
    count = np.zeros(len(known))
    measured, predicted = np.zeros((2, len(known), len(places)))
    for test, codes in parts:
        used = np.flatnonzero(codes >= 0)
        np.add.at(count, codes[used], 1)
        np.add.at(measured, codes[used], columns(test.y, places)[used])
        np.add.at(predicted, codes[used], columns(test.prediction, places)[used])
    kept = np.flatnonzero(count >= np.median(count) / 2) if len(known) else np.empty(0, int)
    if len(kept) < 2:
        raise UserError("the test runs have no two stimuli to compare")
    means = [one[kept] / count[kept, None] for one in (measured, predicted)]
    index = np.argsort(-means[0], axis=0, kind="stable")[:TOP]
    best, expected = (np.take_along_axis(one, index, 0) for one in means)
    names = list(known)
    return TopStimuli([names[number] for number in kept], index, best, expected, lag * tr)
