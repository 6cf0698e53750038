"""Significance of an encoding model's test predictions; no hyperparameter is searched again."""

from pathlib import Path

import numpy as np
from scipy.stats import false_discovery_control

from tristream.config.analysis import Inference
from tristream.encode.files import Encoding, read_encoding
from tristream.inference.permutation import (
    PredictedRun,
    distinct_permutations,
    movable_rows,
    permutation_test,
)
from tristream.inference.refit import refit_test
from tristream.store import Omission, Provenance, create_h5

FEWEST_DISTINCT = 1000
# Counts are stored up to this one: a factorial soon outgrows every integer.
MANY = 10**15
STATISTIC = "correlation of prediction and BOLD, mean over test runs in Fisher z, one-sided"

FIXED = "blocks of the prediction permuted within the test run, the model fixed"
REFITTED = "blocks of data permuted within runs, all folds refitted, hyperparameters fixed"


def infer_encoding(
    encoding: Path, settings: Inference, unit: str, output: Path, code: str = ""
) -> None:
    """Write p and q values, or the reason why there are none.

    With fewer than 1,000 distinct permutations no p value is written: the smallest attainable
    one, and the steps between, would be an accident of the design. Held-out predictions are
    permuted as they are stored; under leave-one-run-out, where every run is training data too,
    the folds are fitted again to permuted data (see :mod:`tristream.inference.refit`).

    Parameters
    ----------
    encoding : Path
        A fitted and tested model.
    settings : Inference
        Number of permutations, false discovery rate, seed.
    unit : str
        Name of the exchangeable unit, for the reader.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.
    """
    fitted, said = read_encoding(encoding)
    runs = runs_of(fitted)
    distinct = distinct_permutations(runs)
    refusal = () if distinct >= FEWEST_DISTINCT else _refusal(runs, distinct)
    nested = fitted.about["scheme"] == "leave-one-run-out"
    config = {"inference": settings.model_dump(mode="json")}
    provenance = Provenance("inference", said.simulated, config, code, refusal)
    with create_h5(output, provenance) as file:
        file.attrs["n_distinct"] = min(distinct, MANY)
        file.attrs["unit"] = unit
        file.attrs["statistic"] = STATISTIC
        file.attrs["null"] = REFITTED if nested else FIXED
        file.attrs["seed"] = settings.seed
        file.attrs["fdr"] = settings.fdr
        file.attrs["n_permutations"] = 0 if refusal else settings.permutations
        if refusal:
            return
        if nested:
            result = refit_test(fitted, encoding, settings.permutations, settings.seed)
        else:
            result = permutation_test(runs, settings.permutations, settings.seed)
        q = false_discovery_control(result.p, method="bh")
        file["observed"] = result.observed.astype(np.float32)
        file["p"], file["q"] = result.p, q
        file["significant"] = q <= settings.fdr
        file["null_max"] = result.null_max


def runs_of(encoding: Encoding) -> list[PredictedRun]:
    """The parts of an encoding that are permuted."""
    return [PredictedRun(t.y, t.prediction, t.unit) for t in encoding.tests.values()]


def _refusal(runs: list[PredictedRun], distinct: int) -> tuple[Omission, ...]:
    blocks = sum(len(movable_rows(run.unit)) for run in runs)
    within = f" in {len(runs)} runs" if len(runs) > 1 else ""
    smallest = f"{1 / distinct:.2f}" if distinct < 100 else f"{1 / distinct:.1g}"
    why = (
        f"{blocks} blocks{within}: the smallest possible p is {smallest} "
        f"({distinct} distinct permutations; {FEWEST_DISTINCT} are asked for)"
    )
    return tuple(Omission(what, why) for what in ("p", "q", "significant", "null_max"))
