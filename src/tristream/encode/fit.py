"""Fit, test and score the encoding model of one subject."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from tristream.bold.cleaning import shared_projection
from tristream.config.models import EncodingDesign
from tristream.config.settings.encode import EncodeSettings
from tristream.device import choose_device
from tristream.encode.band_responses import curves_of_best
from tristream.encode.ceiling import Power
from tristream.encode.disk_arrays import DiskArrays
from tristream.encode.dual_weights import weights_path, write_dual_weights
from tristream.encode.encoding_file import (
    KIND,
    Encoding,
    Fitted,
    HeldOut,
    LeftOut,
    Scores,
    TrainingRun,
    WholeRun,
    write_encoding,
)
from tristream.encode.encoding_methods import methods_of
from tristream.encode.fit_inputs import Floats, Inputs, read_inputs
from tristream.encode.freed_memory import return_freed_memory
from tristream.encode.jackknife import FEWEST_UNITS, Groups, z_left_out
from tristream.encode.model_kind import Model, penalties
from tristream.encode.models import attributes_of, fit_model
from tristream.encode.repeats import (
    bounded,
    ceiling_of,
    common_rows,
    left_out_of,
    scores_of,
    test_groups,
)
from tristream.errors import UserError
from tristream.hashing import hash_file
from tristream.store import Omission, Provenance

FEWEST_SAMPLES = 5
# Share of the voxels that are predicted at all; more of them at an edge of the grid is too many.
EDGE = 0.1
# Voxels of test runs at a time: whole chunks of files of BOLD.
CHUNK = 8192
T = TypeVar("T")


def fit_subject(
    settings: EncodeSettings,
    subject: str,
    aligned: Sequence[Path],
    bold: Sequence[Path],
    samples: Path,
    output: Path,
    code: str = "",
) -> None:
    """Fit one model of one subject and write its `encoding` file, its dual weights beside it.

    Parameters
    ----------
    settings : EncodeSettings
        The model, and where to compute.
    subject : str
        Subject label.
    aligned, bold : sequence of Path
        Aligned features, and run files of the subject.
    samples : Path
        The subject's sample index.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If inputs are missing or do not fit together.
    """
    return_freed_memory()
    inputs = read_inputs(settings.block, aligned, bold, samples, beside(output))
    device = choose_device(settings.device)
    encoding, dual, omitted = fit_encoding(inputs, settings.block, device)
    about = {"model": settings.model, "dataset": settings.dataset, "subject": subject}
    encoding = replace(encoding, about={**about, "device": device, **encoding.about})
    curves = curves_of_best(encoding, dual, inputs.features)
    if isinstance(curves, Omission):
        omitted.append(curves)
    else:
        encoding = replace(encoding, curves=curves)
    provenance = Provenance(
        KIND, inputs.simulated, settings.key(), code, tuple(omitted), methods_of(encoding)
    )
    write_dual_weights(output, dual, encoding.fitted, provenance)
    try:
        write_encoding(output, encoding, provenance)
    except BaseException:
        # Of no use alone, and in the way where there was no room.
        weights_path(output).unlink()
        raise


def beside(output: Path) -> DiskArrays:
    """Arrays that lie where the output will, if they are large."""
    output.parent.mkdir(parents=True, exist_ok=True)
    return DiskArrays(output.parent)


def fit_encoding(
    inputs: Inputs, model: EncodingDesign, device: str
) -> tuple[Encoding, Floats, list[Omission]]:
    """Fit on the training runs, predict the test runs, score.

    With test runs (holdout), hyperparameters are chosen by leave-one-training-run-out, and the
    predictions and BOLD of repeats are averaged over the volumes that all of them use. Without,
    each run is predicted once by a model chosen and fitted on all others, and the hyperparameters
    and weights stored are those of a last fit on all runs. The dual weights come second.
    """
    inputs, groups, train = _divided(inputs)
    scheme = "holdout" if groups else "leave-one-run-out"
    fitted = _fit(inputs, model, train, groups, device)
    tests = _tests(inputs, model, train, groups, fitted, device)
    left_out = left_out_of(inputs, tests)
    measured = ceiling_of(inputs, groups, tests, left_out)
    known = None if isinstance(measured, Omission) else measured
    scores, without = _with_interval(list(tests.values()), left_out, known.power if known else None)
    encoding = Encoding(
        bands=list(inputs.layout),
        ijk=inputs.ijk,
        affine=inputs.affine,
        shape=inputs.shape,
        tests=tests,
        scores=scores,
        ceiling=known.ceiling if known else None,
        fitted=_to_file(fitted, inputs, train, model),
        about={
            **_about(inputs, model, fitted, scheme, groups),
            "ceiling": known.design if known else "",
        },
        grayordinates=inputs.grayordinates,
        left_out=without,
    )
    omitted = [*inputs.omitted, *([measured] if isinstance(measured, Omission) else [])]
    if without is None:
        why = f"{len(left_out)} exchange units of test data; {FEWEST_UNITS} are asked for"
        omitted.append(Omission("interval of r", why))
    return encoding, fitted.dual, omitted


def tested(inputs: Inputs, model: EncodingDesign, device: str) -> dict[str, HeldOut]:
    """The test runs of :func:`fit_encoding`, without scores or a last fit on all runs."""
    inputs, groups, train = _divided(inputs)
    fitted = _fit(inputs, model, train, groups, device) if groups else None
    return _tests(inputs, model, train, groups, fitted, device)


def _divided(inputs: Inputs) -> tuple[Inputs, Mapping[str, Sequence[str]], list[str]]:
    """With rows that repeats have in common, the repeats if runs are held out, training runs."""
    groups, train = test_groups(inputs), list(inputs.runs)
    if groups:
        inputs = common_rows(inputs, groups)
        train = [name for name, run in inputs.runs.items() if run.split == "train"]
    _check(inputs, train, groups)
    return inputs, groups, train


def _fit(
    inputs: Inputs,
    model: EncodingDesign,
    train: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    device: str,
) -> Model:
    held_out = [name for members in groups.values() for name in members]
    fitted = fit_model(inputs, model, train, held_out, device, _progress)
    _warn_of_edges(fitted, penalties(model))
    return fitted


def _tests(
    inputs: Inputs,
    model: EncodingDesign,
    train: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    fitted: Model | None,
    device: str,
) -> dict[str, HeldOut]:
    """Predictions of held-out runs by a fitted model; without it of each run by the others."""
    if fitted is not None and groups:
        return {group: _predict(inputs, fitted, members) for group, members in groups.items()}
    return {run: _nested(inputs, model, train, run, device) for run in _progress(train)}


def _with_interval(
    tests: Sequence[HeldOut], groups: Groups, power: Power | None
) -> tuple[Scores, LeftOut | None]:
    """Scores with the interval of r, and what it and others come from."""
    scores = scores_of(tests)
    if not groups.enough:
        return scores, None
    _, z = z_left_out([(test.y, test.prediction) for test in tests], groups)
    return bounded(scores, z, groups), LeftOut(groups, z, power)


def _check(inputs: Inputs, train: Sequence[str], groups: Mapping[str, Sequence[str]]) -> None:
    fewest = 2 if groups else 3
    if len(train) < fewest:
        raise UserError(
            f"{len(train)} training runs ({', '.join(train) or 'none'}): the model needs {fewest} "
            "to choose its hyperparameters by leaving one out; see `split` in the dataset file"
        )
    for name in [*train, *(n for members in groups.values() for n in members)]:
        run = inputs.runs[name]
        if len(run.rows) < FEWEST_SAMPLES:
            raise UserError(
                f"{run.path}: only {len(run.rows)} volumes of {name} are kept and not censored; "
                f"at least {FEWEST_SAMPLES} are needed: look at `keep` and `censor` in the samples"
            )


def _progress(items: Iterable[T]) -> Iterable[T]:
    return tqdm(items, mininterval=5, file=sys.stderr)


def _predict(inputs: Inputs, fitted: Model, members: Sequence[str]) -> HeldOut:
    """Mean prediction and mean BOLD over the runs of a repeat group."""
    first = inputs.runs[members[0]]
    rows, arrays = first.rows, inputs.arrays
    parts = fitted.predict(members)
    prediction = arrays.zeros(parts.shape[1:], parts.dtype)
    y = arrays.zeros(prediction.shape)
    for start in range(0, y.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        prediction[:, part] = parts[..., part].sum(0)
        y[:, part] = np.mean([inputs.runs[name].bold(rows, part) for name in members], axis=0)
        arrays.forget()
    projection = shared_projection([inputs.runs[name].projection for name in members], rows)
    hyper = fitted.gamma, fitted.alpha
    return HeldOut(
        prediction,
        parts,
        y,
        first.unit[rows],
        tuple(members),
        *hyper,
        projection,
        first.item[rows],
        rows,
        {
            name: WholeRun(
                *(run.unit, run.item, run.shares, run.projection, run.stimulated, run.shows)
            )
            for name, run in ((name, inputs.runs[name]) for name in members)
        },
        fitted.mixture,
        fitted.predict_best(members) if fitted.predict_best else None,
    )


def _nested(
    inputs: Inputs, model: EncodingDesign, runs: Sequence[str], run: str, device: str
) -> HeldOut:
    train = [name for name in runs if name != run]
    return _predict(inputs, fit_model(inputs, model, train, [run], device), [run])


def _warn_of_edges(fitted: Model, grid: Floats) -> None:
    """Voxels without signal take the largest penalty; the others should not."""
    predicted = fitted.cv > 0
    if len(grid) < 2 or not predicted.any():
        return
    for end, edge in (("lowest", grid.min()), ("highest", grid.max())):
        share = float((fitted.alpha[..., predicted] == edge).mean())
        if share > EDGE:
            print(
                f"warning: {share:.0%} of the voxels with a cross-validated R² above 0 take "
                f"alpha {edge:g}, an edge of the grid: widen `alphas.{end}`",
                file=sys.stderr,
            )


def _to_file(fitted: Model, inputs: Inputs, train: Sequence[str], model: EncodingDesign) -> Fitted:
    return Fitted(
        gamma=fitted.gamma,
        alpha=fitted.alpha,
        cv=fitted.cv,
        intercept=fitted.intercept,
        runs={
            name: TrainingRun(run.rows, run.projection, run.stimulated)
            for name, run in ((name, inputs.runs[name]) for name in train)
        },
        edge=fitted.edge(penalties(model)),
        network=fitted.network,
        mixture=fitted.mixture,
        residuals=fitted.residuals() if fitted.residuals else None,
    )


def _about(
    inputs: Inputs,
    model: EncodingDesign,
    fitted: Model,
    scheme: str,
    groups: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    return {
        **attributes_of(model, fitted, inputs.tr),
        "scheme": scheme,
        "dtype": "float32",
        "exchange": inputs.exchange,
        "tr": inputs.tr,
        "start_time": inputs.start_time,
        "projected": any(run.projection.shape[1] for run in inputs.runs.values()),
        "n_repeats": max((len(members) for members in groups.values()), default=1),
        "layout": inputs.layout,
        "items": list(inputs.items),
        "features": {
            label: {
                "path": str(path),
                "sha256": hash_file(path),
                "constant_columns": fitted.constant[label],
            }
            for label, path in inputs.files.items()
        },
    }
