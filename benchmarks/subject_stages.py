"""Time and peak memory of the stages that hold all voxels of a subject: encode, inference, maps.

Files of BOLD, features and samples of any size are written (noise, and a response to one band in a
third of the voxels), and each stage is run on them in a process of its own. `items` are test clips
of 15 s shown four times, as in ds003720, `time` is a film.

    python benchmarks/subject_stages.py --voxels 10000 20000 40000
    python benchmarks/subject_stages.py --voxels 80000 --train 2 --test 2 --volumes 450 --unit time
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tristream.bold.run_file import Run, write_run
from tristream.config.inference import Inference
from tristream.config.models import EncodingModel
from tristream.config.settings.encode import EncodeSettings
from tristream.config.settings.inference import InferenceSettings
from tristream.config.settings.maps import MapsSettings
from tristream.encode.fit import fit_subject
from tristream.inference.encoding import infer_encoding
from tristream.maps.encoding_maps import draw
from tristream.store import Provenance, create_h5, write_strings, write_table

TR, CLIP, BANDS = 1.5, 10, {"one": 32, "two": 24, "three": 16}
SPACE = "MNI152NLin2009cAsym"
MADE = ("Made by a benchmark.",)


def write(folder: Path, voxels: int, train: int, test: int, volumes: int, unit: str) -> list[str]:
    """The files that `encode` reads; names of the runs."""
    rng = np.random.default_rng(0)
    edge = int(np.ceil(voxels ** (1 / 3)))
    ijk = np.argwhere(np.ones((edge, edge, edge)))[:voxels].astype(np.int32)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -float(edge), -float(edge) - 20, -float(edge) + 20
    runs = {f"task-Training_run-{k:02}": "train" for k in range(1, train + 1)}
    runs |= {f"task-Test_run-{k:02}": "test" for k in range(1, test + 1)}
    weights = rng.standard_normal((BANDS["one"], voxels)).astype(np.float32)
    features: dict[str, dict[str, np.ndarray]] = {band: {} for band in BANDS}
    tables = []
    for name, split in runs.items():
        clips = np.arange(volumes) // CLIP
        # Four showings of each clip of a test run.
        shown = clips % max(1, -(-volumes // CLIP) // 4) if split == "test" else clips
        for band, columns in BANDS.items():
            fresh = rng.standard_normal((shown.max() + 1, columns)).astype(np.float32)
            features[band][name] = fresh[shown]
        y = rng.standard_normal((volumes, voxels), np.float32)
        y[2:, : voxels // 3] += 0.3 * (features["one"][name] @ weights)[:-2, : voxels // 3]
        write_run(folder / f"{name}.h5", bold_run(name, y, ijk, affine, edge), {})
        tables.append(
            pd.DataFrame(
                {
                    "run": name,
                    "row": np.arange(volumes),
                    "time": (np.arange(volumes) + 0.5) * TR,
                    "item": [f"{name} {k}" for k in shown] if unit == "item" else "film",
                    "label": None,
                    "unit": [f"{name}/{k}" for k in clips],
                    "split": split,
                    "repeat": None,
                    "censor": False,
                    "keep": True,
                }
            )
        )
    for band, by_run in features.items():
        about = Provenance("aligned", simulated=True, methods=MADE)
        with create_h5(folder / f"{band}.h5", about) as file:
            file.attrs.update(tr=TR, stream="auditory", space=band, layer="x", sampling="timed")
            write_strings(file, "names", [f"x{k}" for k in range(BANDS[band])])
            for name, values in by_run.items():
                file[f"runs/{name}"] = values
                file[f"times/{name}"] = (np.arange(volumes) + 0.5) * TR
    about = Provenance("samples", True, {"exchange": {"unit": unit}}, methods=MADE)
    write_table(folder / "samples.tsv", pd.concat(tables, ignore_index=True), about)
    return list(runs)


def bold_run(name: str, y: np.ndarray, ijk: np.ndarray, affine: np.ndarray, edge: int) -> Run:
    """A run of BOLD as it is cleaned: linear drifts projected out."""
    basis = np.linalg.qr(np.vander(np.linspace(-1, 1, len(y)), 2))[0]
    y -= (basis @ (basis.T @ y)).astype(np.float32)
    y /= y.std(0)
    return Run(
        subject="01",
        run=name,
        space=SPACE,
        tr=TR,
        start_time=TR / 2,
        time=(np.arange(len(y)) + 0.5) * TR,
        bold=y,
        ijk=ijk,
        affine=affine,
        shape=(edge, edge, edge),
        confounds=np.zeros((len(y), 0)),
        confound_names=(),
        projection=basis,
        censor=np.zeros(len(y), bool),
        mean=np.ones(len(ijk), np.float32),
        tsnr=np.ones(len(ijk), np.float32),
        fd=np.full(len(y), np.nan),
        constant=0,
        simulated=True,
        methods=MADE,
    )


def stages(
    folder: Path, runs: list[str], unit: str, candidates: int
) -> dict[str, Callable[[], object]]:
    """What each stage calls."""
    fit = {"delays": "2-8 s", "alphas": {"number": 10}, "candidates": candidates}
    bands = {band: [f"{band}/x"] for band in BANDS}
    block = EncodingModel.model_validate({"datasets": ["x"], "bands": bands, **fit}).design
    encoding, inference = folder / "encoding.h5", folder / "inference.h5"
    keys = InferenceSettings.model_fields
    defaults = {key: getattr(Inference(), key) for key in keys if hasattr(Inference(), key)}
    settings = InferenceSettings(**defaults, unit=unit)
    maps = {"dataset": "x", "model": "m", "task": "x", "space": SPACE, "control": "none"}
    streams = dict.fromkeys(bands, "auditory")
    return {
        "encode": lambda: fit_subject(
            EncodeSettings(dataset="x", model="m", block=block, device="cpu"),
            "01",
            [folder / f"{band}.h5" for band in bands],
            [folder / f"{run}.h5" for run in runs],
            folder / "samples.tsv",
            encoding,
        ),
        "inference": lambda: infer_encoding(encoding, settings, inference),
        "maps": lambda: draw(
            MapsSettings(**maps, streams=streams),
            "01",
            encoding=encoding,
            inference=inference,
            output=folder / "maps/maps.json",
        ),
    }


def measured(stage: Callable[[], object]) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak MB of a stage, in a process of its own."""
    start = time.monotonic()
    if not (child := os.fork()):
        stage()
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit("a stage failed")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Measure every size; print a table, and lines for demands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voxels", type=int, nargs="+", default=[10_000])
    parser.add_argument("--train", type=int, nargs="+", default=[3], help="runs")
    parser.add_argument("--test", type=int, nargs="+", default=[2], help="runs")
    parser.add_argument("--volumes", type=int, default=410, help="of a run")
    parser.add_argument("--unit", choices=("item", "time"), default="item")
    parser.add_argument("--candidates", type=int, default=20, help="band weightings")
    parser.add_argument("--folder", type=Path, help="where to work (default: temporary)")
    args = parser.parse_args()
    print("| training | test | voxels | stage | s | CPU s | peak, MB | written, MB |")
    print("|---|---|---|---|---|---|---|---|")
    worst: dict[str, float] = {}
    for voxels, train, test in itertools.product(args.voxels, args.train, args.test):
        with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
            folder = Path(scratch)
            made = folder / "runs.json"
            # In a process of its own, too: what it holds would count for the others.
            measured(
                lambda here=made, sizes=(voxels, train, test): here.write_text(
                    json.dumps(write(here.parent, *sizes, args.volumes, args.unit))
                )
            )
            runs = json.loads(made.read_text())
            for name, call in stages(folder, runs, args.unit, args.candidates).items():
                before = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
                seconds, cpu, peak = measured(call)
                after = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
                sizes = f"{train * args.volumes:,} | {test * args.volumes:,} | {voxels:,}"
                cells = f"{seconds:.0f} | {cpu:.0f} | {peak:.0f} | {(after - before) / 1e6:.0f}"
                print(f"| {sizes} | {name} | {cells} |", flush=True)
                worst[name] = max(worst.get(name, 0), peak)
    for name, peak in worst.items():
        print(f"RATIO peak_of_{name}_of_8_GB={peak / 8000:.3f}")


if __name__ == "__main__":
    main()
