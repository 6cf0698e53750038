"""All subjects of one encoding model."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align.exchange import Exchange
from tristream.align.samples import read_samples
from tristream.config.settings.inference import GroupSettings
from tristream.encode.encoding_file import (
    Encoding,
    HeldOut,
    ScoredVoxels,
    read_encoding,
    read_scores,
)
from tristream.encode.prediction_scores import fisher_z
from tristream.errors import UserError
from tristream.inference import wording
from tristream.inference.encoding import NESTED
from tristream.inference.group import Shared, infer_subjects
from tristream.inference.group_subjects import CORRELATION, Subject, Where, common_places
from tristream.inference.inference_file import read_inference, why_refused
from tristream.inference.people import LEVEL
from tristream.inference.permutation import PredictedRun, unit_length
from tristream.inference.shared_stimuli import PermutedPredictions, ShownRun, shared_exchange
from tristream.inference.tested_runs import TIME, runs_of
from tristream.inference.widening import widening
from tristream.store import Omission

Ints = npt.NDArray[np.integer]


def infer_models(
    encodings: Sequence[Path],
    inferences: Sequence[Path],
    samples: Sequence[Path],
    settings: GroupSettings,
    output: Path,
    regions: Path | None = None,
    code: str = "",
) -> None:
    """Write the `group` file of one model.

    Parameters
    ----------
    encodings, inferences, samples : sequence of Path
        One of each a subject, in the same order.
    settings : GroupSettings
        What is exchangeable, permutations, seed, procedure.
    output : Path
        The file to write.
    regions : Path, optional
        Labels of the atlas, for voxels in MNI space.
    code : str
        Fingerprint for the provenance.
    """
    subjects = [_subject(*pair) for pair in zip(encodings, inferences, strict=True)]
    shared, subjects = _with_nulls(subjects, encodings, samples, settings)
    infer_subjects(subjects, CORRELATION, shared, settings, output, regions, code)


def _subject(encoding: Path, inference: Path) -> Subject:
    scored, fit = read_scores(encoding)
    tested, provenance = read_inference(inference)
    found, r = tested.found, scored.scores.r
    if found is not None and len(found.p) != len(scored.ijk):
        raise UserError(
            f"{inference}: has {len(found.p)} voxels, {encoding} has {len(scored.ijk)}; "
            "delete the first and run again"
        )
    row = {
        "voxels": len(r),
        "mean": float(r.mean()),
        "significant": int(found.significant.sum()) if found else -1,
        "significant_fwe": int((found.p_fwe <= LEVEL).sum()) if found else -1,
        "p_any": float(found.p_fwe.min()) if found else float("nan"),
    }
    return Subject(
        name=str(scored.about["subject"]),
        values=fisher_z(r),
        row=row,
        p=found.p if found else None,
        why=why_refused(provenance),
        simulated=fit.simulated or provenance.simulated,
        where=where_of(scored),
    )


def where_of(scored: Encoding | ScoredVoxels) -> Where:
    """Where the voxels of an encoding lie."""
    shape = tuple(int(n) for n in scored.shape)
    return Where(scored.ijk, scored.affine, shape, scored.grayordinates)


def _with_nulls(
    subjects: Sequence[Subject],
    encodings: Sequence[Path],
    samples: Sequence[Path],
    settings: GroupSettings,
) -> tuple[Shared, list[Subject]]:
    """What moves alike in all subjects, and the subjects with their values under it."""
    opened = [replace(e, tests=dict(e.tests)) for e in (read_encoding(p)[0] for p in encodings)]
    if why := _why_not(opened, settings):
        return Shared(why=why), list(subjects)
    tables = [read_samples(path)[0] for path in samples]
    whole, parts = exchange_over_subjects([e.tests for e in opened], tables, settings)
    runs = _runs(subjects, opened, settings)
    what = wording.units(settings.unit, runs[0], float(opened[0].about["tr"]))
    moved = f"moving {what} of the predictions within {wording.within(runs[0])}"
    widest = tuple(max(run.widening for run in alike) for alike in zip(*runs, strict=False))
    shared = Shared(whole.distinct, moved, widening=widest)
    if shared.refusal or len(subjects) < 2:
        return shared, list(subjects)
    nulls = [PermutedPredictions(*pair, settings.seed) for pair in zip(runs, parts, strict=True)]
    return shared, [replace(s, null=null) for s, null in zip(subjects, nulls, strict=True)]


def _why_not(encodings: Sequence[Encoding], settings: GroupSettings) -> str:
    if any(one.about["scheme"] == NESTED for one in encodings):
        return f"under {NESTED} all folds of all subjects would have to be fitted again"
    return why_apart(settings)


def why_apart(settings: GroupSettings) -> str:
    """Why units of the subjects cannot be matched; empty where they can."""
    names = sorted(set(settings.timelines.values()))
    if settings.unit == TIME and len(names) > 1:
        return (
            f"blocks of time move alike where all saw the same at the same times, and subjects "
            f"have the timelines {', '.join(names)}"
        )
    return ""


def exchange_over_subjects(
    tests: Sequence[Mapping[str, HeldOut]], tables: Sequence[pd.DataFrame], settings: GroupSettings
) -> tuple[Exchange, list[Exchange]]:
    """What may change places in all subjects alike, and each subject's part of it."""
    return shared_exchange(
        [
            [ShownRun.of(test, table, settings.unit) for test in own.values()]
            for own, table in zip(tests, tables, strict=True)
        ]
    )


def _runs(
    subjects: Sequence[Subject], encodings: Sequence[Encoding], settings: GroupSettings
) -> list[list[PredictedRun]]:
    """Test runs of each subject, their nulls as wide as that of the mean over subjects.

    What subjects share may depend on its own past more than what is each one's own, and weighs most
    in the mean over subjects. So it is the null of mean data and mean predictions that is widened,
    where subjects have voxels in common.
    """
    places = common_places(subjects)
    if settings.unit != TIME or isinstance(places, Omission):
        return [runs_of(one, settings.unit) for one in encodings]
    tests = [one.tests for one in encodings]
    names = dict.fromkeys(name for own in tests for name in own)
    factors = {name: _shared_widening(name, tests, places) for name in names}
    return [
        [
            replace(run, widening=factors[name])
            for name, run in zip(one.tests, runs_of(one), strict=True)
        ]
        for one in encodings
    ]


def _shared_widening(
    name: str, tests: Sequence[Mapping[str, HeldOut]], places: Sequence[Ints]
) -> float:
    """How many times wider the null of one test run is made, over samples that all have."""
    runs = [(own[name], voxels) for own, voxels in zip(tests, places, strict=True) if name in own]
    rows = functools.reduce(np.intersect1d, [run.rows for run, _ in runs])
    kept = [np.searchsorted(run.rows, rows) for run, _ in runs]
    y, prediction = np.zeros((2, len(rows), len(places[0])))
    for (run, voxels), own in zip(runs, kept, strict=True):
        y += unit_length(run.y[np.ix_(own, voxels)]) / len(runs)
        prediction += unit_length(run.prediction[np.ix_(own, voxels)]) / len(runs)
    # What was projected out of the data of all: the least that was.
    least = min(range(len(runs)), key=lambda k: runs[k][0].projection.shape[1])
    first = runs[least][0]
    projection = first.projection[kept[least]]
    return widening(PredictedRun(y, prediction, first.unit[kept[least]], projection=projection))
