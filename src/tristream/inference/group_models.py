"""All subjects of one encoding model."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align.exchange import Exchange
from tristream.align.samples import read_samples
from tristream.config.settings.inference import GroupSettings
from tristream.encode.disk_arrays import forget
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
from tristream.inference.group import Shared, infer_subjects
from tristream.inference.group_subjects import CORRELATION, Subject, Where, common_places
from tristream.inference.inference_file import read_inference, why_refused
from tristream.inference.people import LEVEL
from tristream.inference.permutation import PredictedRun, exchange_of_runs, unit_length
from tristream.inference.resolution import StoredNull
from tristream.inference.shared_stimuli import ShownRun, SubjectNull, shared_exchange
from tristream.inference.tested_runs import (
    NESTED,
    TIME,
    features_can_move,
    run_of,
    runs_of,
    why_not_refitted,
    widened_runs,
)
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
    opened = [read_encoding(path, whole=False)[0].in_memory() for path in encodings]
    nested = any(one.about["scheme"] == NESTED for one in opened)
    if why := why_apart(settings):
        return Shared(why=why), list(subjects)
    tables = [read_samples(path)[0] for path in samples]
    by_features = settings.unit != TIME and all(map(features_can_move, opened))
    whole, parts = exchange_over_subjects([e.tests for e in opened], tables, settings, by_features)
    if still := [s.name for s, part in zip(subjects, parts, strict=True) if not part.sets]:
        why = f"sub-{still[0]} was tested on nothing that can change places with what others saw"
        return Shared(why=why), list(subjects)
    if nested and not by_features:
        pairs = zip(opened, parts, strict=True)
        if why := next(filter(None, (why_not_refitted(*p, settings.unit) for p in pairs)), ""):
            return Shared(why=why), list(subjects)
    factors = _widening(subjects, opened, settings)
    what = wording.units(settings.unit, whole, float(opened[0].about["tr"]))
    where = wording.within([*opened[0].tests], "run" if nested else "test run")
    again = f" and fitting every fold of {NESTED} again" if nested else ""
    moved = f"moving {what} of the {'BOLD' if nested else 'predictions'} within {where}{again}"
    if by_features:
        how = again or " and predicting again"
        moved = f"exchanging the features of {what} within {where}{how}"
    widest = tuple(max(alike) for alike in zip(*(f.values() for f in factors), strict=False))
    shared = Shared(whole.distinct, moved, widening=widest)
    if shared.refusal or len(subjects) < 2:
        return shared, list(subjects)
    nulls = [
        _null(one, path, part, wider, settings, by_features)
        for one, path, part, wider in zip(opened, encodings, parts, factors, strict=True)
    ]
    return shared, [replace(s, null=null) for s, null in zip(subjects, nulls, strict=True)]


def _null(
    encoding: Encoding,
    path: Path,
    moves: Exchange,
    widening: Mapping[str, float],
    settings: GroupSettings,
    by_features: bool,
) -> SubjectNull:
    """A subject's values under its part of the shared rearrangements."""
    # Not above: they bring torch, which a group of one subject does without.
    from tristream.encode.tap_predictions import tap_predictions
    from tristream.inference.moved_features import MovedFeatures
    from tristream.inference.moved_predictions import MovedPredictions
    from tristream.inference.refit import refitted_z
    from tristream.inference.refit_features import refitted_features_z
    from tristream.inference.subject_nulls import InFisherZ

    number, seed = settings.permutations, settings.seed
    if encoding.about["scheme"] != NESTED:
        runs = _wide_runs(encoding, widening)
        if not by_features:
            return InFisherZ(MovedPredictions(runs, moves, seed))
        return InFisherZ(MovedFeatures(runs, tap_predictions(encoding, path), moves, seed))
    if by_features:
        z = refitted_features_z(encoding, path, moves, number, seed)
    else:
        z = refitted_z(encoding, path, moves, number, seed, widening)
    return StoredNull.of(z, moves.distinct)


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
    tests: Sequence[Mapping[str, HeldOut]],
    tables: Sequence[pd.DataFrame],
    settings: GroupSettings,
    whole: bool = False,
) -> tuple[Exchange, list[Exchange]]:
    """What may change places in all subjects alike, and each subject's part of it.

    With `whole`, of all volumes of the runs, used or not.
    """
    return shared_exchange(
        [
            [ShownRun.of(test, table, settings.unit, whole) for test in own.values()]
            for own, table in zip(tests, tables, strict=True)
        ],
        settings.unit,
    )


def _wide_runs(encoding: Encoding, factors: Mapping[str, float]) -> list[PredictedRun]:
    pairs = zip(encoding.tests, runs_of(encoding), strict=True)
    return [replace(run, widening=factors[name]) for name, run in pairs]


def _widening(
    subjects: Sequence[Subject], encodings: Sequence[Encoding], settings: GroupSettings
) -> list[dict[str, float]]:
    """For each subject, test run to how many times wider its null is made.

    What subjects share may depend on its own past more than what is each one's own, and weighs most
    in the mean over subjects. So the factor is that of mean data and mean predictions, where
    subjects have voxels in common.
    """
    places = common_places(subjects)
    if settings.unit == TIME and not isinstance(places, Omission):
        rows = [{name: test.rows for name, test in one.tests.items()} for one in encodings]
        shared = {}
        for name in dict.fromkeys(name for own in rows for name in own):
            having = [k for k, own in enumerate(rows) if name in own]
            normed = (_normed(encodings[k].tests[name]) for k in having)
            mean = mean_run(normed, [rows[k][name] for k in having], [places[k] for k in having])
            shared[name] = widening(mean, exchange_of_runs([mean], TIME).of_run(0))
        return [{name: shared[name] for name in own} for own in rows]
    found = []
    for one in encodings:
        runs = runs_of(one)
        wide = widened_runs(runs, exchange_of_runs(runs, settings.unit), settings.unit)
        found.append(dict(zip(one.tests, (run.widening for run in wide), strict=True)))
    return found


def _normed(test: HeldOut) -> PredictedRun:
    """A test run with predictions of length one."""
    run = run_of(test)
    return replace(run, prediction=unit_length(run.prediction))


def mean_run(
    runs: Iterable[PredictedRun], rows: Sequence[Ints], places: Sequence[Ints]
) -> PredictedRun:
    """Mean data (each of length one) and mean predictions of a test run, over what all have.

    Parameters
    ----------
    runs : iterable of PredictedRun
        Of one subject after the other, who need not be held together.
    rows : sequence of ndarray of int
        The rows that their samples are.
    places : sequence of ndarray of int of shape (voxels,)
        Where each subject has the voxels that all have.
    """
    shared = functools.reduce(np.intersect1d, rows)
    y, prediction = np.zeros((2, len(shared), len(places[0])))
    # What was projected out of the data of all: the least that was.
    least: tuple[PredictedRun, Ints] | None = None
    for run, at, voxels in zip(runs, rows, places, strict=True):
        among = np.searchsorted(at, shared)
        kept = np.ix_(among, voxels)
        y += unit_length(run.y[kept]) / len(rows)
        prediction += run.prediction[kept] / len(rows)
        forget(run.y, run.prediction)
        if least is None or _columns(run) < _columns(least[0]):
            least = replace(run, y=y, prediction=prediction), among
    assert least is not None
    first, own = least
    projection = None if first.projection is None else first.projection[own]
    item = None if first.item is None else first.item[own]
    return PredictedRun(y, prediction, first.unit[own], projection=projection, item=item)


def _columns(run: PredictedRun) -> int:
    return 0 if run.projection is None else run.projection.shape[1]
