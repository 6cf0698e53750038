"""Significance of an encoding model's test predictions; no hyperparameter is searched again."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from scipy.stats import false_discovery_control

from tristream.config.inference import Inference
from tristream.encode.encoding_file import Encoding, read_encoding
from tristream.inference.permutation import (
    Null,
    Permuted,
    PredictedRun,
    distinct_permutations,
    movable_rows,
    permutation_test,
)
from tristream.inference.widening import widened
from tristream.store import Omission, Provenance, create_h5

FEWEST_DISTINCT = 1000
FEWEST_SHIFTED = 200
# Counts are stored up to this one: a factorial soon outgrows every integer.
MANY = 10**15
STATISTIC = "correlation of prediction and BOLD, mean over test runs in Fisher z, one-sided"
TIME = "time"
"""The exchangeable unit of a film: stretches of time, cut at arbitrary moments."""
RIDGE = "banded_ridge"

FIXED = "blocks of the prediction permuted within the test run, the model fixed"
SHIFTED = "prediction shifted in a circle within the test run, the model fixed"
REFITTED = "blocks of data permuted within runs, all folds refitted, hyperparameters fixed"


@dataclass(frozen=True)
class Design:
    """What is permuted in a test, and whether that is enough.

    Attributes
    ----------
    null : {'blocks', 'shift'}
        As configured.
    nested : bool
        Leave-one-run-out: the folds are fitted again.
    distinct : int
        Arrangements, the observed one included.
    refusal : str
        Why there are no p values; empty where there are.
    """

    null: Null
    nested: bool
    distinct: int
    refusal: str

    @property
    def described(self) -> str:
        """What is done, for the reader."""
        if self.nested:
            return REFITTED
        return SHIFTED if self.null == "shift" else FIXED


def infer_encoding(
    encoding: Path, settings: Inference, unit: str, output: Path, code: str = ""
) -> None:
    """Write p and q values, or the reason why there are none.

    With fewer than 1,000 distinct permutations no p value is written: the smallest attainable
    one, and the steps between, would be an accident of the design. Held-out predictions are
    permuted as they are stored; under leave-one-run-out, where every run is training data too,
    the folds are fitted again to permuted data (see :mod:`tristream.inference.refit`). The null of
    a film is widened (see :mod:`tristream.inference.widening`).

    Parameters
    ----------
    encoding : Path
        A fitted and tested model.
    settings : Inference
        Number of permutations, false discovery rate, seed.
    unit : str
        Name of the exchangeable unit; ``time`` for a film.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.
    """
    fitted, said = read_encoding(encoding)
    design = design_of(fitted, settings.null, unit)
    omitted = _omitted(design)
    config = {"inference": settings.model_dump(mode="json")}
    provenance = Provenance("inference", said.simulated, config, code, omitted)
    with create_h5(output, provenance) as file:
        file.attrs["n_distinct"] = min(design.distinct, MANY)
        file.attrs["unit"] = unit
        file.attrs["statistic"] = STATISTIC
        file.attrs["null"] = design.described
        file.attrs["seed"] = settings.seed
        file.attrs["fdr"] = settings.fdr
        file.attrs["procedure"] = settings.procedure
        file.attrs["n_permutations"] = 0
        if design.refusal:
            return
        runs = runs_of(fitted, unit, settings.null)
        if design.nested:
            # Not above: it brings torch, which the other tests do without.
            from tristream.inference.refit import refit_test

            wider = dict(zip(fitted.tests, (run.widening for run in runs), strict=True))
            result = refit_test(fitted, encoding, settings.permutations, settings.seed, wider)
        else:
            result = permutation_test(
                runs, settings.permutations, settings.seed, null=settings.null
            )
        file.attrs["widening"] = [run.widening for run in runs]
        _write(file, result, settings)


def _write(file: h5py.File, result: Permuted, settings: Inference) -> None:
    drawn = len(result.null_max)
    file.attrs["n_permutations"] = drawn
    file.attrs["smallest_p"] = 1 / (1 + drawn)
    q = {way: false_discovery_control(result.p, method=way) for way in ("bh", "by")}
    file["observed"] = result.observed.astype(np.float32)
    file["p"], file["p_fwe"] = result.p, result.p_fwe
    file["q"], file["q_by"] = q["bh"], q["by"]
    file["significant"] = q[settings.procedure] <= settings.fdr
    file["null_max"] = result.null_max


def design_of(encoding: Encoding, null: Null, unit: str) -> Design:
    """What can be permuted in a tested model, and whether that is enough."""
    runs = runs_of(encoding)
    scheme = encoding.about["scheme"]
    nested = scheme == "leave-one-run-out"
    distinct = distinct_permutations(runs, null)
    if nested and encoding.about.get("model_kind", RIDGE) != RIDGE:
        why = f"the null of {scheme} refits every fold, which is written for {RIDGE} alone"
        return Design(null, nested, distinct, why)
    if null == "shift":
        return Design(null, nested, distinct, _shift_refusal(runs, nested, unit))
    enough = distinct >= FEWEST_DISTINCT
    return Design(null, nested, distinct, "" if enough else _refusal(runs, distinct))


def runs_of(encoding: Encoding, unit: str = "", null: Null = "blocks") -> list[PredictedRun]:
    """The parts of an encoding that are permuted; the null of stretches of `time` is widened."""
    runs = [
        PredictedRun(t.y, t.prediction, t.unit, projection=t.projection)
        for t in encoding.tests.values()
    ]
    return [widened(run, null) for run in runs] if unit == TIME else runs


def _shift_refusal(runs: list[PredictedRun], nested: bool, unit: str) -> str:
    if nested:
        return "null: shift is for held-out test runs; leave-one-run-out permutes blocks"
    if unit != TIME:
        return f"null: shift is for films; the exchangeable unit here is {unit}"
    volumes = sum(len(run.unit) for run in runs)
    if volumes < FEWEST_SHIFTED:
        return f"{volumes} test volumes: a circular shift needs {FEWEST_SHIFTED}"
    return ""


def _refusal(runs: list[PredictedRun], distinct: int) -> str:
    blocks = sum(len(movable_rows(run.unit)) for run in runs)
    within = f" in {len(runs)} runs" if len(runs) > 1 else ""
    smallest = f"{1 / distinct:.2f}" if distinct < 100 else f"{1 / distinct:.1g}"
    return (
        f"{blocks} blocks{within}: the smallest possible p is {smallest} "
        f"({distinct} distinct permutations; {FEWEST_DISTINCT} are asked for)"
    )


def _omitted(design: Design) -> tuple[Omission, ...]:
    names = ("p", "q", "significant", "null_max") if design.refusal else ()
    return tuple(Omission(what, design.refusal) for what in names)
