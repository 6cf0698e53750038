"""Resampling raw BOLD through head motion, coregistration and normalisation: seconds a volume.

Volumes of 96×96×68 voxels of 2 mm (ds003720's) go to MNI152NLin2009cAsym at 2 mm. Ours samples the
voxels of the brain alone. The peer is ANTs' `apply_transforms` (antspyx, B-splines), where it can
be imported; else scipy's `map_coordinates` over the whole grid, which is what a resampler without a
mask does. Both get the same transforms and give the same values in the brain, which is the gate.
Times are CPU seconds of one thread; contestants alternate.

    python benchmarks/resampling.py
    python benchmarks/resampling.py --full

Peak memory is measured over a run of few volumes and extrapolated to two full runs (410 volumes):
what grows with the volumes is the result alone, as no more raw volumes are held than workers.
`--full` resamples two runs of 410 volumes, one after another, and measures it.
"""

import argparse
import importlib.util
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage
from scipy.spatial.transform import Rotation

from tristream.bold.minimal.grid import template_grid
from tristream.bold.minimal.resample import Sampling, raw_volumes, resample
from tristream.bold.minimal.transforms import Affine, Displacement, map_points

SHAPE = (96, 96, 68)
FULL = 410
RUNS = 2
# Largest difference from the peer in the brain, relative to the image's range.
GATE = {"scipy": 1e-5, "antspyx": 2e-2}


def rigid(moved: list[float], degrees: list[float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = moved
    return matrix


def write_raw(path: Path, volumes: int) -> None:
    """Smooth noise, as integers; six different volumes in turns."""
    rng = np.random.default_rng(0)
    few = [ndimage.gaussian_filter(rng.standard_normal(SHAPE), 2) for _ in range(min(volumes, 6))]
    few = [(500 + 5000 * one).astype(np.int16) for one in few]
    data = np.stack([few[n % len(few)] for n in range(volumes)], -1)
    affine = rigid([0, -10, 10], [8, 0, 2]) @ np.diag([-2.0, 2, 2, 1])
    affine[:3, 3] -= affine[:3, :3] @ (np.array(SHAPE) - 1) / 2
    image = nib.Nifti1Image(data, affine)
    nib.save(image, path)


def normalisation() -> tuple[Displacement, Affine]:
    """A smooth displacement on a grid of 2 mm, and an affine."""
    affine, shape = template_grid(2.0)
    x, y, z = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij")
    parts = [3 * np.sin(y / 13), 3 * np.cos(x / 14), 2 * np.sin(x / 15) * np.cos(z / 12)]
    field = np.stack(np.broadcast_arrays(*parts)).astype(np.float32)
    return Displacement(field, np.linalg.inv(affine)), Affine(rigid([2, -3, 4], [2, -3, 1]))


def brain(points: np.ndarray) -> np.ndarray:
    return (((points - [0, -18, 10]) / [66, 82, 58]) ** 2).sum(axis=1) < 1


def ants_apply(folder: Path, path: Path, motion: np.ndarray) -> Callable[[int], np.ndarray]:
    """antspyx on the same transforms, from files of their own; one volume a call."""
    # Only where it is installed.
    import ants

    displacement, linear = normalisation()
    affine, shape = template_grid(2.0)
    flip = np.diag([-1.0, -1, 1, 1])
    field = np.moveaxis(displacement.field, 0, -1)[:, :, :, None] * np.float32([-1, -1, 1])
    warp = nib.Nifti1Image(field.astype(np.float32), affine)
    warp.header.set_intent("vector")
    nib.save(warp, folder / "warp.nii.gz")
    nib.save(nib.Nifti1Image(np.zeros(shape, np.float32), affine), folder / "fixed.nii.gz")
    fixed = ants.image_read(str(folder / "fixed.nii.gz"))

    def write(name: str, matrix: np.ndarray) -> str:
        m = flip @ matrix @ flip
        values = " ".join(f"{v:.12g}" for v in [*m[:3, :3].ravel(), *m[:3, 3]])
        text = "#Insight Transform File V1.0\n#Transform 0\n"
        text += f"Transform: AffineTransform_double_3_3\nParameters: {values}\n"
        (folder / name).write_text(text + "FixedParameters: 0 0 0\n")
        return str(folder / name)

    one = write("linear.txt", linear.matrix)
    steps = [write(f"hmc{t}.txt", m) for t, m in enumerate(motion)]

    def run(volume: int) -> np.ndarray:
        image = nib.load(path)
        moving = nib.Nifti1Image(np.asarray(image.dataobj[..., volume], np.float32), image.affine)
        chain = [str(folder / "warp.nii.gz"), one, steps[volume]]
        made = ants.apply_transforms(
            fixed, ants.from_nibabel_nifti(moving), chain, interpolator="bSpline"
        )
        return made.numpy().ravel()

    return run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--volumes", type=int, default=6, help="volumes to time")
    parser.add_argument("--full", action="store_true", help="two whole runs, ours alone")
    args = parser.parse_args()
    if args.full:
        return full_runs()
    peer = "antspyx" if importlib.util.find_spec("ants") else "scipy"
    if peer == "scipy":
        print("antspyx can't be imported: compared with scipy over the whole grid instead")
    rng = np.random.default_rng(1)
    motion = np.stack([rigid(list(m), list(r)) for m, r in rng.normal(0, 1, (args.volumes, 2, 3))])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_raw(folder / "bold.nii", args.volumes)
        return compare(folder, motion, peer)


def full_runs() -> int:
    """Two whole runs from generated images, in one process: seconds a volume, and peak memory."""
    rng = np.random.default_rng(1)
    motion = np.stack([rigid(list(m), list(r)) for m, r in rng.normal(0, 1, (FULL, 2, 3))])
    affine, shape = template_grid(2.0)
    points = map_points(apply_affine(affine, np.indices(shape).reshape(3, -1).T), normalisation())
    points = points[brain(points)]
    kept, spent = [], 0.0
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "bold.nii"
        write_raw(path, FULL)
        for _ in range(RUNS):
            image = nib.load(path)
            sampling = Sampling(points, np.linalg.inv(image.affine) @ motion, SHAPE)
            start = time.process_time()
            kept.append(resample(raw_volumes(path, image), sampling.only(sampling.covered())))
            spent += time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{RUNS} runs of {FULL} volumes, {kept[0].shape[1]} voxels, both kept in memory")
    print(f"{spent / FULL / RUNS:.3f} s a volume; process peak {peak:.2f} GB")
    return int(peak > 8)


def compare(folder: Path, motion: np.ndarray, peer: str) -> int:
    path = folder / "bold.nii"
    image = nib.load(path)
    affine, shape = template_grid(2.0)
    grid = apply_affine(affine, np.indices(shape).reshape(3, -1).T)
    points = map_points(grid, normalisation())
    to_voxel = np.linalg.inv(image.affine) @ motion
    whole = Sampling(points, to_voxel, SHAPE)
    inside = brain(points) & whole.covered()
    masked = whole.only(inside)
    print(f"{inside.sum()} voxels of the brain in a grid of {len(points)}")

    def theirs_scipy(volume: int) -> np.ndarray:
        raw = np.asarray(image.dataobj[..., volume], np.float32)
        index = whole.coordinates(volume)
        return ndimage.map_coordinates(raw, index, order=3, mode="grid-constant")

    theirs = theirs_scipy if peer == "scipy" else ants_apply(folder, path, motion)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    bold = resample(raw_volumes(path, image), masked, workers=1)
    ours_time = (time.process_time() - start) / len(motion)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    their_time, worst = 0.0, 0.0
    few = range(min(3, len(motion)))
    for volume in few:
        start = time.process_time()
        found = theirs(volume)
        their_time += (time.process_time() - start) / len(few)
        worst = max(worst, float(np.abs(found[inside] - bold[volume]).max() / np.ptp(bold)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    full = FULL * int(inside.sum()) * 4 / 2**20
    print(f"ours   {ours_time:.3f} s a volume, memory grew by {grown:.0f} MB")
    print(f"{peer} {their_time:.3f} s a volume; process peak {peak:.0f} MB")
    print(
        f"extrapolated, not run: a run of {FULL} volumes adds {full:.0f} MB of result, peak "
        f"{peak + full:.0f} MB; {RUNS} runs at once {RUNS * (peak + full) / 1024:.1f} GB; "
        f"{RUNS} runs take {RUNS * FULL * ours_time / 60:.1f} min of one core"
    )
    print(f"largest difference in the brain {worst:.1e} of the range (gate {GATE[peer]:.0e})")
    if worst > GATE[peer] or RUNS * (peak + full) > 8 * 1024:
        print("FAILED")
        return 1
    print(f"RATIO resampling={their_time / ours_time:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
