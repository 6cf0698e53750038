"""An encoding of the small results tree with weights, features behind them, and a test run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from helpers import REPOSITORY, report_tree
from tristream.align.samples import COLUMNS, KIND
from tristream.config.load import Resolved
from tristream.encode.band_responses import curves_of_best
from tristream.encode.dual_weights import write_dual_weights
from tristream.encode.encoding_file import TrainingRun, read_encoding, write_encoding
from tristream.encode.training_features import TrainingFeatures
from tristream.encode.voxel_curves import VoxelCurves
from tristream.hashing import hash_file
from tristream.report.study_results import Results
from tristream.store import Provenance, write_table

VOLUMES = 60
BLOCK = 10
TR = 2.0


def two_models(folder: Path) -> Resolved:
    """A study in `folder` of the demo's film, one subject, and two of its models."""
    demo = yaml.safe_load((REPOSITORY / "config.yaml").read_text())["models"]
    changes = {
        "datasets": {"bunny": {"subjects": ["01"]}},
        "models": {name: demo[name] for name in ("streams", "shifted")},
        "decoders": {},
        "univariate": {},
    }
    return report_tree.read_study(report_tree.write_study(folder, **changes))


def give_weights(
    resolved: Resolved, model: str, subject: str, place: int, rng: np.random.Generator
) -> None:
    """Give an encoding of `bunny` random weights; voxel `place` has the best r and R² of all.

    The test run is shown in blocks of ten volumes. The voxel answers the fourth by 3, the second
    by 2 and the fifth by 1; what is predicted is half of that.
    """
    root = Path(resolved.study.results)
    report_tree.write_features(resolved, "bunny", rng)
    path = root / f"encode/bunny/{model}/sub-{subject}.h5"
    found, provenance = read_encoding(path)
    pairs = Results(resolved, root / "report").targets.layers_of_model(model)
    layout = {
        band: [
            [f"{space}/{layer}" for space, layer in pairs if name in (space, f"{space}/{layer}")]
            for name in names
        ]
        for band, names in resolved.study.models[model].bands.items()
    }
    features = {}
    for space, layer in pairs:
        aligned = root / f"align/bunny/main/{space}/{layer}.h5"
        features[f"{space}/{layer}"] = {"path": str(aligned), "sha256": hash_file(aligned)}
    *training, test = resolved.datasets["bunny"].runs
    rows = np.arange(4, VOLUMES)
    one = TrainingRun(rows, np.empty((VOLUMES, 0)), np.ones(VOLUMES, bool))
    runs = dict.fromkeys(training[:2], one)
    n = len(found.ijk)
    cv, r = found.fitted.cv.copy(), found.scores.r.copy()
    cv[place], r[place] = 0.9, 0.9123
    dual = 0.01 * rng.standard_normal((len(rows) * len(runs), n))
    lag = round(np.mean(found.about["delays"]))
    y = 0.1 * rng.standard_normal((VOLUMES, n))
    y[:, place] = 0
    for block, height in ((3, 3.0), (1, 2.0), (4, 1.0)):
        y[block * BLOCK + lag : (block + 1) * BLOCK + lag, place] = height
    held_out = replace(
        report_tree.held_out(rng),
        y=y,
        prediction=y / 2,
        band_prediction=y[None] / 2,
        runs=(test,),
        rows=np.arange(VOLUMES),
        **{key: np.arange(VOLUMES) // BLOCK for key in ("unit", "item")},
        projection=np.empty((VOLUMES, 0)),
    )
    fitted = replace(found.fitted, cv=cv, runs=runs)
    write_dual_weights(path, dual, fitted, provenance)
    encoding = replace(
        found,
        tests={"main": held_out},
        scores=replace(found.scores, r=r),
        fitted=fitted,
        about=found.about | {"layout": layout, "features": features, "components": 0},
    )
    curves = curves_of_best(encoding, dual, TrainingFeatures(encoding, path))
    assert isinstance(curves, VoxelCurves)
    write_encoding(path, replace(encoding, curves=curves), provenance)
    _write_samples(root / f"align/bunny/sub-{subject}_samples.tsv", test)


def _write_samples(path: Path, run: str) -> None:
    row = np.arange(VOLUMES)
    table = pd.DataFrame(dict.fromkeys(COLUMNS, None), index=row)
    table = table.assign(run=run, row=row, time=row * TR, item="film", exchange="film")
    table = table.assign(unit=[f"{run}/{k}" for k in row // BLOCK], split="test", repeat="film")
    table = table.assign(censor=False, keep=True)
    config = {"exchange": {"unit": "time"}}
    methods = ("Made by a test.",)
    write_table(path, table, Provenance(KIND, True, config, methods=methods), COLUMNS)
