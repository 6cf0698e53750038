"""Small files as the stages before `encode` write them, with a planted relation."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tristream.bold.run_file import Run, write_run
from tristream.config.models import EncodingModel
from tristream.config.settings.encode import EncodeSettings
from tristream.store import Provenance, create_h5, write_strings, write_table

TR = 1.0
DELAYS = (1, 2, 3)
VOXELS = 24
BANDS = {"ventral": ["net"], "dorsal": ["motion", "flow/speed"]}
SPACES = {"net/early": 6, "net/late": 4, "motion/energy": 5, "flow/speed": 3}
STREAMS = {"net": "ventral", "motion": "dorsal", "flow": "dorsal"}


def model(**changes: Any) -> EncodingModel:
    """A model of the planted study, quick to fit."""
    keys: dict[str, Any] = {
        "datasets": ["planted"],
        "bands": BANDS,
        "delays": [f"{d} TR" for d in DELAYS],
        "alphas": {"lowest": -2, "highest": 4, "number": 7},
        "candidates": 8,
    }
    return EncodingModel.model_validate({**keys, **changes})


def encode_settings(
    design: EncodingModel, name: str = "streams", device: str = "cpu"
) -> EncodeSettings:
    """What a job that fits a model of the planted study is given."""
    return EncodeSettings(dataset="planted", model=name, block=design.design, device=device)


def runs_of(scheme: str, volumes: int = 90) -> dict[str, tuple[int, str, str]]:
    """Run to (volumes, split, repeat)."""
    if scheme == "holdout":
        train = {f"task-training_run-0{i}": (volumes + i, "train", "") for i in (1, 2, 3)}
        return train | {f"task-test_run-0{i}": (120, "test", "clip") for i in (1, 2)}
    return {f"run-0{i}": (volumes + i, "each", "") for i in (1, 2, 3, 4)}


def smooth(rng: np.random.Generator, volumes: int, columns: int) -> np.ndarray:
    """Features that change slowly, as a film's do."""
    white = rng.standard_normal((volumes + 4, columns))
    return np.stack([white[i : i + volumes] for i in range(4)]).sum(0)


def delayed(x: np.ndarray, delays: Sequence[int] = DELAYS) -> np.ndarray:
    """The features at each delay, zeros before the run."""
    return np.hstack([np.vstack([np.zeros((d, x.shape[1])), x])[: len(x)] for d in delays])


def write_study(
    folder: Path,
    scheme: str = "holdout",
    noise: float = 1.0,
    seed: int = 0,
    change: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Write aligned features, run files and samples.

    The first third of the voxels is driven by `net`, the second by `motion` and `flow`, the
    last by nothing. Repeated runs show the same features.

    Parameters
    ----------
    folder : Path
        Where to write.
    scheme : str
        ``holdout`` (with a test clip shown twice) or ``leave-one-run-out``.
    noise : float
        Standard deviation of the noise; that of the signal is one.
    seed : int
        Of everything random.
    change : callable, optional
        May change the samples table, the features or the runs before they are written.

    Returns
    -------
    dict
        ``aligned``, ``bold`` (lists of Path), ``samples`` (Path), ``x`` and ``y`` (run to array).
    """
    rng = np.random.default_rng(seed)
    runs = runs_of(scheme)
    shown: dict[str, dict[str, np.ndarray]] = {}
    for name, (volumes, _, repeat) in runs.items():
        fresh = {label: smooth(rng, volumes, p) for label, p in SPACES.items()}
        shown[name] = shown.setdefault(repeat, fresh) if repeat else fresh
    weights = {label: rng.standard_normal((p * len(DELAYS), VOXELS)) for label, p in SPACES.items()}
    study: dict[str, Any] = {"x": shown, "y": {}, "samples": [], "runs": {}}
    for name, (volumes, split, repeat) in runs.items():
        driven = {label: delayed(shown[name][label]) @ weights[label] for label in SPACES}
        signal = np.zeros((volumes, VOXELS))
        third = VOXELS // 3
        signal[:, :third] = (driven["net/early"] + driven["net/late"])[:, :third]
        signal[:, third : 2 * third] = (driven["motion/energy"] + driven["flow/speed"])[
            :, third : 2 * third
        ]
        y = signal / max(signal[:, : 2 * third].std(), 1e-9)
        y = y + noise * rng.standard_normal(y.shape)
        projection = np.linalg.qr(np.vander(np.linspace(-1, 1, volumes), 3))[0]
        y = y - projection @ (projection.T @ y)
        study["y"][name] = (y / y.std(0)).astype(np.float32)
        study["runs"][name] = {"projection": projection, "censor": np.zeros(volumes, bool)}
        unit = np.minimum(np.arange(volumes) // 20, volumes // 20 - 1)
        study["samples"].append(
            pd.DataFrame(
                {
                    "run": name,
                    "row": np.arange(volumes),
                    "time": np.arange(volumes) * TR,
                    "item": "film",
                    "label": None,
                    "unit": [f"{name}/{u}" for u in unit],
                    "split": split,
                    "repeat": repeat or None,
                    "censor": False,
                    "keep": np.arange(volumes) >= 4,
                }
            )
        )
    study["samples"] = pd.concat(study["samples"], ignore_index=True)
    if change:
        change(study)
    return _write(folder, study)


def _write(folder: Path, study: dict[str, Any]) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    study["bold"], study["aligned"] = [], []
    for name, y in study["y"].items():
        path = folder / f"{name}.h5"
        write_run(path, _run(name, y, **study["runs"][name]), {})
        study["bold"].append(path)
    for label, p in SPACES.items():
        space, layer = label.split("/")
        path = folder / f"{space}_{layer}.h5"
        with create_h5(
            path, Provenance("aligned", simulated=True, methods=("Made by a test.",))
        ) as file:
            file.attrs.update(tr=TR, stream=STREAMS[space], space=space, layer=layer)
            file.attrs["sampling"] = "item" if label in study.get("items", ()) else "timed"
            write_strings(file, "names", [f"{layer}{i}" for i in range(p)])
            for name, by_label in study["x"].items():
                if name in study["y"]:
                    values = by_label[label].astype(np.float32)
                    file[f"runs/{name}"] = values
                    file[f"times/{name}"] = TR / 2 + np.arange(len(values)) * TR
        study["aligned"].append(path)
    table = study["samples"]
    study["samples"] = folder / "samples.tsv"
    write_table(
        study["samples"], table, Provenance("samples", simulated=True, methods=("Made by a test.",))
    )
    return study


def _run(name: str, y: np.ndarray, projection: np.ndarray, censor: np.ndarray) -> Run:
    volumes, voxels = y.shape
    return Run(
        subject="01",
        run=name,
        space="MNI152NLin2009cAsym",
        tr=TR,
        start_time=TR / 2,
        time=TR / 2 + np.arange(volumes) * TR,
        bold=y.astype(np.float32),
        ijk=np.stack([np.arange(voxels)] * 3, 1).astype(np.int32),
        affine=np.diag([4.0, 4.0, 4.0, 1.0]),
        shape=(voxels, voxels, voxels),
        confounds=np.zeros((volumes, 0)),
        confound_names=(),
        projection=projection,
        censor=censor,
        mean=np.ones(voxels, np.float32),
        tsnr=np.ones(voxels, np.float32),
        fd=np.full(volumes, np.nan),
        constant=0,
        simulated=True,
        methods=("Made by a test.",),
    )
