"""Numbers that were promised, each beside its threshold. The thresholds live here alone.

The accuracies are those that published code reaches on the same slice with the same folds; they
hold for the demo study's decoders by name. A p value, a lag or a count has one threshold for all.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tristream.align.lagscan import read_lagscan
from tristream.config.layouts import RawLayout
from tristream.decode.decoding_file import read_decoding
from tristream.inference.recovery_file import ALL, read_recovery
from tristream.report.elements import shown
from tristream.report.study_results import Results
from tristream.stimuli.tables import read_leakage

LEAST_ACCURACY = {
    ("haxby2001_slice", "ridge_volumes"): 0.63,
    ("haxby2001_slice", "svm_blocks"): 0.72,
}
MOST_P = 0.01
PEAK = (3.0, 8.0)
MOST_FINDINGS = 0


@dataclass(frozen=True)
class Check:
    """A number, its threshold, and whether it is met (None: there is nothing to compare).

    Attributes
    ----------
    dataset, subject : str
        Where it belongs; subject empty for a whole dataset.
    what : str
        What is measured.
    value, threshold : str
        As shown.
    met : bool or None
        Whether the value is on the right side of the threshold.
    """

    dataset: str
    subject: str
    what: str
    value: str
    threshold: str
    met: bool | None

    @property
    def word(self) -> str:
        """``met``, ``not met``, or a dash."""
        return "–" if self.met is None else "met" if self.met else "not met"


def all_checks(results: Results) -> list[Check]:
    """Every check of the study, dataset by dataset."""
    found: list[Check] = []
    for dataset, subjects in results.resolved.subjects.items():
        found += _pipeline(results, dataset)
        found += _leakage(results, dataset)
        for subject in subjects:
            found += _lag(results, dataset, subject) + _decoding(results, dataset, subject)
        found += _recovery(results, dataset)
    return found


def _pipeline(results: Results, dataset: str) -> list[Check]:
    if not isinstance(results.resolved.datasets[dataset].layout, RawLayout):
        return []
    return [
        Check(
            dataset,
            "",
            "pipeline of the BOLD",
            "tristream's own, from raw images",
            "fMRIPrep",
            None,
        )
    ]


def _leakage(results: Results, dataset: str) -> list[Check]:
    path = results.path("leakage", dataset=dataset)
    what, threshold = "test stimuli that resemble training stimuli", f"at most {MOST_FINDINGS}"
    if not path.is_file():
        return [Check(dataset, "", what, "–", threshold, None)]
    count = len(read_leakage(path).table)
    return [Check(dataset, "", what, str(count), threshold, count <= MOST_FINDINGS)]


def _lag(results: Results, dataset: str, subject: str) -> list[Check]:
    found = results.existing("lagscan", dataset=dataset, subject=subject)
    if not found:
        return []
    ((_, path),) = found
    scan = read_lagscan(path)
    r, spaces = scan.r, scan.layers
    streams = [results.stream(space) for space in spaces]
    known = [i for i, stream in enumerate(streams) if stream != "truth"]
    if not np.isfinite(r[known]).any():
        return []
    best = known[int(np.nanargmax(np.nanmax(r[known], axis=1)))]
    peak = float(scan.peak[best])
    low, high = PEAK
    what = f"lag of the highest correlation ({spaces[best]})"
    value, threshold = f"{peak:.1f} s", f"{low:g} to {high:g} s"
    if streams[best] == "label":
        # A table of labelled volumes may already be shifted by the haemodynamic delay.
        return [Check(dataset, subject, what, value, "none set", None)]
    return [Check(dataset, subject, what, value, threshold, low <= peak <= high)]


def _decoding(results: Results, dataset: str, subject: str) -> list[Check]:
    found = []
    for name, decoder in results.resolved.study.decoders.items():
        if dataset not in decoder.datasets:
            continue
        path = results.path("decoding", dataset=dataset, decoder=name, subject=subject)
        least = LEAST_ACCURACY.get((dataset, name))
        asked = f"at least {least}" if least else "none set"
        if not path.is_file():
            found.append(Check(dataset, subject, f"accuracy of {name}", "–", asked, None))
            continue
        stored = read_decoding(path)[0]
        accuracy = stored.accuracy
        p = np.nan if stored.p is None else stored.p
        met = None if least is None else accuracy >= least
        found.append(Check(dataset, subject, f"accuracy of {name}", f"{accuracy:.3f}", asked, met))
        # Few permutations can't tell.
        fine = 1 / (1 + len(stored.null)) < MOST_P
        below = p < MOST_P if fine and not np.isnan(p) else None
        threshold = f"below {MOST_P}" if fine else "none set"
        found.append(Check(dataset, subject, f"p of {name}", shown(p), threshold, below))
    return found


def _recovery(results: Results, dataset: str) -> list[Check]:
    tables = results.existing("recovery", dataset=dataset)
    if not tables:
        return []
    ((_, path),) = tables
    table = read_recovery(path)[0]
    found = []
    for _, row in table.iterrows():
        interval = ""
        if pd.notna(row["low"]) and pd.notna(row["high"]):
            interval = f" [{shown(row['low'])}, {shown(row['high'])}]"
        subject = "" if row["subject"] == ALL else str(row["subject"])
        met = _truth(row["passed"])
        threshold = shown(row["threshold"])
        value = shown(row["value"]) + interval
        found.append(Check(dataset, subject, str(row["check"]), value, threshold, met))
    return found


def _truth(value: object) -> bool | None:
    words = {"true": True, "1": True, "false": False, "0": False}
    return words.get(str(value).lower())
