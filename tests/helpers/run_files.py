"""Run files of random numbers and their index, for tests of later stages."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from helpers.bold_tree import index_settings
from tristream.bold.index_file import write_index
from tristream.bold.run_file import Run, write_run
from tristream.config.dataset import Dataset

VOLUMES = 60


def write_runs(
    folder: Path,
    dataset: Dataset,
    subject: str,
    voxels: tuple[np.ndarray, np.ndarray, tuple[int, ...]],
    simulated: bool,
    rng: np.random.Generator,
) -> None:
    """Write every run of a subject; `voxels` is their indices, the affine and the shape."""
    ijk, affine, shape = voxels
    paths = []
    for name in dataset.runs_of(subject):
        fd = 0.1 + 0.05 * rng.random(VOLUMES) + 0.6 * (np.arange(VOLUMES) == 30)
        run = Run(
            subject=subject,
            run=name,
            space=dataset.space or "native",
            tr=dataset.tr,
            start_time=dataset.tr / 2,
            time=dataset.tr / 2 + dataset.tr * np.arange(VOLUMES),
            bold=rng.standard_normal((VOLUMES, len(ijk))).astype(np.float32),
            ijk=ijk.astype(np.int32),
            affine=affine,
            shape=shape,
            confounds=np.empty((VOLUMES, 0)),
            confound_names=(),
            projection=np.eye(VOLUMES)[:, :2],
            censor=np.arange(VOLUMES) == 30,
            mean=(800 + 100 * rng.random(len(ijk))).astype(np.float32),
            tsnr=(60 + 20 * rng.random(len(ijk))).astype(np.float32),
            fd=fd if simulated else np.full(VOLUMES, np.nan),
            constant=0,
            simulated=simulated,
            sources={
                "bold": f"{name}_bold.nii.gz",
                "head motion": f"{name}_xfm.txt",
                "pipeline": "written by a test",
            },
            own_mask=len(ijk) + 9,
            methods=("Made by a test.",),
        )
        paths.append(folder / f"{name}.h5")
        write_run(paths[-1], run, {})
    write_index(index_settings(dataset, subject), paths, folder / "index.json")


def write_values(path: Path, values: np.ndarray, simulated: bool = False, **changes: Any) -> Path:
    """Write one run of these values (volumes, voxels), named as its file; `changes` go to `Run`."""
    n, voxels = values.shape
    run = Run(
        subject="1",
        run=path.stem,
        space="native",
        tr=2.0,
        start_time=0.0,
        time=np.arange(n) * 2.0,
        bold=values.astype(np.float32),
        ijk=np.stack([np.arange(voxels)] * 3, 1).astype(np.int32),
        affine=np.eye(4),
        shape=(voxels, voxels, voxels),
        confounds=np.empty((n, 0)),
        confound_names=(),
        projection=np.empty((n, 0)),
        censor=np.zeros(n, bool),
        mean=np.zeros(voxels, np.float32),
        tsnr=np.zeros(voxels, np.float32),
        fd=np.full(n, np.nan),
        constant=0,
        simulated=simulated,
        methods=("Made by a test.",),
    )
    write_run(path, replace(run, **changes), {})
    return path
