"""Encodings, tests and sample indices of several subjects, as the group level reads them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from tristream.align.samples import COLUMNS
from tristream.encode.encoding_file import Encoding, Fitted, HeldOut, Scores, write_encoding
from tristream.encode.prediction_scores import correlation, fisher_mean
from tristream.inference.inference_file import Significance, TestedModel, write_inference
from tristream.store import Omission, Provenance, write_table

SHAPE = (10, 10, 10)


def places(n: int, shift: int = 0) -> np.ndarray:
    index = (np.arange(n) + shift)[::-1]
    return np.stack(np.unravel_index(index, SHAPE), 1).astype(np.int32)


def autoregressive(rng: np.random.Generator, shape: tuple[int, ...], rho: float) -> np.ndarray:
    """Series of variance one, over the first axis."""
    white = rng.standard_normal((shape[0] + 50, *shape[1:]))
    return np.asarray(lfilter([np.sqrt(1 - rho**2)], [1, -rho], white, axis=0)[50:])


def held_out(
    run: str, y: np.ndarray, prediction: np.ndarray, unit: np.ndarray, item: np.ndarray
) -> HeldOut:
    voxels = y.shape[1]
    hyper = np.ones((1, voxels), "f4"), np.ones(voxels, "f4")
    rows = np.arange(len(y))
    projection = np.zeros((len(y), 0))
    arrays = prediction.astype("f4"), prediction[None].astype("f4"), y.astype("f4")
    return HeldOut(*arrays, unit, (run,), *hyper, projection, item, rows)


def write_samples(path: Path, tests: Sequence[HeldOut], items: Sequence[Sequence[str]]) -> None:
    """A sample index of the test runs; `items` names what each sample shows."""
    parts = []
    for test, shown in zip(tests, items, strict=True):
        run = test.runs[0]
        columns = {"run": run, "row": test.rows, "time": test.rows * 1.0, "item": list(shown)}
        unit = [f"{run}/{u + 1}" if u >= 0 else None for u in test.unit]
        rest = {"label": None, "split": "test", "repeat": None, "censor": False, "keep": True}
        part = pd.DataFrame(
            {**columns, "exchange": list(shown), "unit": unit, "shares": None, **rest}
        )
        parts.append(part.assign(session=None, average=None, presentation=pd.NA))
    table = pd.concat(parts)[list(COLUMNS)]
    write_table(path, table, Provenance("samples", True, methods=("Done.",)), COLUMNS)


def write_subject(
    folder: Path,
    subject: str,
    tests: dict[str, HeldOut],
    items: Sequence[Sequence[str]],
    r: np.ndarray | None = None,
    ijk: np.ndarray | None = None,
    tested: bool = True,
    affine: np.ndarray | None = None,
    scheme: str = "holdout",
) -> tuple[Path, Path, Path]:
    """An encoding of one band without weights, its inference, and the sample index."""
    paths = (
        folder / f"encoding_{subject}.h5",
        folder / f"inference_{subject}.h5",
        folder / f"samples_{subject}.tsv",
    )
    if r is None:
        r = fisher_mean(np.stack([correlation(t.y, t.prediction) for t in tests.values()]))
    r = r.astype("f4")
    none = np.zeros((1, len(r)), np.float32)
    encoding = Encoding(
        bands=["a"],
        ijk=places(len(r)) if ijk is None else ijk,
        affine=np.eye(4) if affine is None else affine,
        shape=np.array(SHAPE),
        tests=tests,
        scores=Scores(r, r**2, r[None] ** 2),
        ceiling=None,
        fitted=Fitted(none, none[0], none[0], none[0], {}, 0.0),
        about={"subject": subject, "scheme": scheme, "tr": 1.0, "model": "m"},
    )
    write_encoding(paths[0], encoding, Provenance("encoding", simulated=True, methods=("Done.",)))
    q = np.where(r > 0.2, 0.001, 0.5)
    found = Significance(r, q, np.where(r > 0.2, 0.01, 1.0), q, q, r > 0.2, np.full(999, 0.2))
    null = ("statistic", "null", "time", 10**6, 999 if tested else 0, 0, 0.05, "bh")
    write_inference(
        paths[1],
        TestedModel(*null, widening=(1.0,), found=found if tested else None),
        Provenance(
            "inference",
            simulated=True,
            omitted=() if tested else (Omission("p", "too few"),),
            methods=("Done.",),
        ),
    )
    write_samples(paths[2], list(tests.values()), items)
    return paths


def film_subjects(
    folder: Path,
    subjects: int,
    seed: int,
    *,
    voxels: int = 100,
    volumes: int = 300,
    shared: float = 0.3,
    effect: float = 0.0,
    block: int = 20,
) -> list[tuple[Path, Path, Path]]:
    """Subjects who saw one film: voxels share a response to it that the features don't explain.

    Parameters
    ----------
    shared : float
        Share of the variance of a voxel that is a response all subjects have.
    effect : float
        Weight of the features in the BOLD of the first half of the voxels.
    """
    rng = np.random.default_rng(seed)
    features, response = (autoregressive(rng, (volumes, voxels), 0.7) for _ in range(2))
    unit = np.arange(volumes) // block
    weight = np.where(np.arange(voxels) < voxels // 2, effect, 0.0)
    written = []
    for number in range(subjects):
        noise = autoregressive(rng, (volumes, voxels), 0.4)
        y = np.sqrt(shared) * response + np.sqrt(1 - shared) * noise + weight * features
        # Each subject's model has learned the features with an error of its own.
        prediction = features + 0.5 * autoregressive(rng, (volumes, voxels), 0.7)
        tests = {"film": held_out("film", y, prediction, unit, np.zeros(volumes, int))}
        items = [["bunny"] * volumes]
        written.append(write_subject(folder, f"{number:02}", tests, items))
    return written
