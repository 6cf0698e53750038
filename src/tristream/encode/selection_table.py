"""Models of one subject side by side: cross-validation for all, AIC and BIC for ridge."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.encode.bands import Form, band_kernels
from tristream.encode.encoding_file import Encoding, read_encoding
from tristream.encode.information_criteria import Criteria, ridge_criteria
from tristream.encode.training_features import TrainingFeatures
from tristream.errors import UserError
from tristream.space.grayordinates import same
from tristream.store import Omission, Provenance, write_table

KIND = "selection"
COLUMNS = {
    "model": "name of the model",
    "kind": "banded_ridge, stacking or tcn",
    "voxels": "all voxels",
    "cv_mean": "R² of left-out training runs, mean over voxels",
    "cv_median": "the same, median",
    "cv_best": "share of voxels for which this model has the largest cross-validated R², among "
    "voxels that some model predicts above 0",
    "degrees": "effective degrees of freedom tr H, mean over voxels (banded ridge)",
    "samples": "training samples, corrected for autocorrelation of the residuals, mean over voxels",
    "aic_best": "share of the same voxels for which it has the smallest AIC among banded ridge",
    "bic_best": "share of the same voxels for which it has the smallest BIC among banded ridge",
}


@dataclass(frozen=True)
class Candidate:
    """One model: its name, kind, cross-validated R² (voxels,) and criteria, if it has any."""

    name: str
    kind: str
    cv: npt.NDArray[np.floating]
    criteria: Criteria | None


def compare_models(encodings: Sequence[Path], output: Path, code: str = "") -> None:
    """Write one row a model of one subject.

    Cross-validation compares all kinds: penalties, band weights and, of a network, the number of
    passes were chosen on the same left-out runs. AIC and BIC compare banded ridge models by their
    fit to the training runs alone.

    Parameters
    ----------
    encodings : sequence of Path
        At least two files of `encode fit`, of the same voxels and training runs.
    output : Path
        A TSV.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If the models can't be compared, or the training features of one are gone.
    """
    if len(encodings) < 2:
        raise UserError("encode compare: give two encodings at least")
    first, _ = read_encoding(encodings[0], whole=False)
    candidates, simulated = [], False
    for path in encodings:
        encoding, provenance = read_encoding(path, whole=False)
        _check_same(first, encoding, encodings[0], path)
        kind = encoding.about["model_kind"]
        criteria = criteria_of(encoding, path) if kind == "banded_ridge" else None
        candidates.append(Candidate(encoding.about["model"], kind, encoding.fitted.cv, criteria))
        simulated |= provenance.simulated
    others = [c.name for c in candidates if c.criteria is None]
    why = "they are for banded ridge, whose degrees of freedom are known"
    omitted = tuple(Omission(f"AIC and BIC of {name}", why) for name in others)
    table = pd.DataFrame(rows_of(candidates), columns=list(COLUMNS))
    config = {"models": [c.name for c in candidates]}
    write_table(output, table, Provenance(KIND, simulated, config, code, omitted), COLUMNS)


def criteria_of(encoding: Encoding, path: Path) -> Criteria:
    """AIC and BIC of a banded ridge model, from its residuals and training features."""
    about, runs = encoding.about, encoding.fitted.runs
    kernels = band_kernels(
        TrainingFeatures(encoding, path),
        about["layout"],
        runs,
        list(runs),
        [],
        about["delays"],
        about["components"] or None,
        form=Form.of(about),
    )
    residuals = encoding.fitted.residuals
    assert residuals is not None
    return ridge_criteria(kernels.train, encoding.fitted.models, residuals)


def rows_of(candidates: Sequence[Candidate]) -> list[tuple]:
    """Rows of the table."""
    cv = np.stack([c.cv for c in candidates])
    predicted = cv.max(0) > 0
    best = cv.argmax(0)
    ridge = [c for c in candidates if c.criteria is not None]
    shares: dict[str, tuple[float, float]] = {}
    if ridge and predicted.any():
        aic, bic = (
            np.stack([getattr(c.criteria, name) for c in ridge]).argmin(0)[predicted]
            for name in ("aic", "bic")
        )
        shares = {
            c.name: (float((aic == i).mean()), float((bic == i).mean()))
            for i, c in enumerate(ridge)
        }
    rows = []
    for i, c in enumerate(candidates):
        share = float((best[predicted] == i).mean()) if predicted.any() else np.nan
        known = c.criteria
        size = (known.degrees.mean(), known.samples.mean()) if known else (np.nan, np.nan)
        own = shares.get(c.name, (np.nan, np.nan))
        rows.append((c.name, c.kind, len(c.cv), c.cv.mean(), np.median(c.cv), share, *size, *own))
    return rows


def _check_same(first: Encoding, other: Encoding, path: Path, other_path: Path) -> None:
    if not np.array_equal(first.ijk, other.ijk) or not same(
        first.grayordinates, other.grayordinates
    ):
        raise UserError(f"{other_path}: has other voxels than {path}; compare models of a subject")
    rows = [
        {name: run.rows.tolist() for name, run in e.fitted.runs.items()} for e in (first, other)
    ]
    if rows[0] != rows[1]:
        raise UserError(
            f"{other_path}: was fitted to other volumes than {path}; their scores don't compare"
        )
