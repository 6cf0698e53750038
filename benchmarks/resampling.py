"""Resampling raw BOLD through head motion, coregistration and normalisation: seconds a volume.

Volumes of 96×96×68 voxels of 2 mm (ds003720's) go to MNI152NLin2009cAsym at 2 mm. Ours samples the
voxels of the brain alone; the whole grid is timed too. The peer is ANTs' `apply_transforms`
(antspyx) with the same transforms, from files of its own: displacement, affine, coregistration,
head motion. Cubic splines are compared with ANTs' B-splines, linear interpolation with linear. Both
must give the same values in the brain, which is the gate; near the image's end the two mean other
splines (fMRIPrep's and ours take zeros beyond it, ANTs' a mirror): voxels there don't count. Times
are CPU seconds of one thread; contestants alternate, volume by volume.

    python benchmarks/resampling.py
    python benchmarks/resampling.py --full
    python benchmarks/resampling.py --slices

`--full` resamples two runs of 410 volumes, one after another, and measures the memory of the
process; a subject of 18 runs is extrapolated from that. `--slices` brings the slices of one such
run to one time first, and tells what that takes of time and memory.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# Read when ITK is loaded.
os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"

import ants
import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage
from scipy.spatial.transform import Rotation

from tristream.bold.resampling.sampling import Sampling, raw_volumes, resample, retimed
from tristream.bold.resampling.target_grid import template_grid
from tristream.bold.resampling.transforms import Affine, Displacement, map_points

SHAPE = (96, 96, 68)
FULL = 410
RUNS = 2
# Seconds, and slices that are acquired at once (ds003720).
TR, BAND = 1.5, 4
SUBJECT = 18
MEMORY = 8
# In the brain: smallest correlation, and largest difference relative to the image's range; at
# least so many voxels from the image's end.
GATE = (0.999999, 1e-5)
DEEP = 8
ORDERS = {"cubic": (3, "bSpline"), "linear": (1, "linear")}


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


def coregistration() -> Affine:
    return Affine(rigid([5, -9, 7], [6, 2, -3]))


def target() -> tuple[np.ndarray, np.ndarray]:
    """Points of the reference volume behind all voxels of the grid, and those of the brain."""
    affine, shape = template_grid(2.0)
    grid = apply_affine(affine, np.indices(shape).reshape(3, -1).T)
    in_t1w = map_points(grid, normalisation())
    inside = (((in_t1w - [0, -18, 10]) / [66, 82, 58]) ** 2).sum(axis=1) < 1
    return coregistration()(in_t1w), inside


def head_motion(volumes: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.stack([rigid(list(m), list(r)) for m, r in rng.normal(0, 1, (volumes, 2, 3))])


def ants_apply(folder: Path, raw: nib.Nifti1Image, motion: np.ndarray) -> Callable[..., np.ndarray]:
    """antspyx on the same transforms; one volume a call."""
    displacement, linear = normalisation()
    affine, shape = template_grid(2.0)
    flip = np.diag([-1.0, -1, 1, 1])
    field = np.moveaxis(displacement.field, 0, -1)[:, :, :, None] * np.float32([-1, -1, 1])
    warp = nib.Nifti1Image(field.astype(np.float32), affine)
    warp.header.set_intent("vector")
    nib.save(warp, folder / "warp.nii")
    nib.save(nib.Nifti1Image(np.zeros(shape, np.float32), affine), folder / "fixed.nii")
    fixed = ants.image_read(str(folder / "fixed.nii"))

    def write(name: str, matrix: np.ndarray) -> str:
        m = flip @ matrix @ flip
        values = " ".join(f"{v:.12g}" for v in [*m[:3, :3].ravel(), *m[:3, 3]])
        text = "#Insight Transform File V1.0\n#Transform 0\n"
        text += f"Transform: AffineTransform_double_3_3\nParameters: {values}\n"
        (folder / name).write_text(text + "FixedParameters: 0 0 0\n")
        return str(folder / name)

    shared = [str(folder / "warp.nii"), write("linear.txt", linear.matrix)]
    shared.append(write("coregistration.txt", coregistration().matrix))
    steps = [write(f"hmc{t}.txt", m) for t, m in enumerate(motion)]
    lps = flip @ raw.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    where = {"origin": list(lps[:3, 3]), "spacing": list(spacing)}

    def run(volume: int, interpolator: str) -> np.ndarray:
        data = np.asarray(raw.dataobj[..., volume], np.float32)
        moving = ants.from_numpy(data, **where, direction=lps[:3, :3] / spacing)
        chain = [*shared, steps[volume]]
        return ants.apply_transforms(fixed, moving, chain, interpolator=interpolator).numpy()

    return run


def compare(folder: Path, volumes: int) -> int:
    path = folder / "bold.nii"
    write_raw(path, volumes)
    image, motion = nib.load(path), head_motion(volumes)
    points, inside = target()
    to_voxel = np.linalg.inv(image.affine) @ motion
    whole = Sampling(points, to_voxel, SHAPE)
    inside &= whole.covered()
    theirs = ants_apply(folder, image, motion)
    print(f"{inside.sum()} voxels of the brain in a grid of {len(points)}")
    failed, ratios = False, {}
    for name, (order, interpolator) in ORDERS.items():
        spent = dict.fromkeys(["brain", "grid", "antspyx"], 0.0)
        r, worst, share = 1.0, 0.0, 1.0
        for volume, raw in enumerate(raw_volumes(path, image)):

            def ours(keep: np.ndarray, t: int = volume, raw: np.ndarray = raw, k: int = order):
                return resample([raw], Sampling(points[keep], to_voxel[t : t + 1], SHAPE), order=k)

            start = time.process_time()
            brain = ours(inside)[0]
            spent["brain"] += time.process_time() - start
            start = time.process_time()
            ours(np.ones(len(points), bool))
            spent["grid"] += time.process_time() - start
            start = time.process_time()
            found = theirs(volume, interpolator).ravel()[inside]
            spent["antspyx"] += time.process_time() - start
            index = Sampling(points[inside], to_voxel, SHAPE).coordinates(volume).T
            deep = np.all((index > DEEP) & (index < np.array(SHAPE) - 1 - DEEP), axis=1)
            r = min(r, float(np.corrcoef(found[deep], brain[deep])[0, 1]))
            worst = max(worst, float(np.abs(found - brain)[deep].max() / np.ptp(brain)))
            share = min(share, float(deep.mean()))
        each = {key: value / volumes for key, value in spent.items()}
        ratios[name] = each["antspyx"] / each["brain"]
        print(
            f"{name}: s a volume: brain {each['brain']:.3f}, whole grid {each['grid']:.3f}, "
            f"antspyx {interpolator} {each['antspyx']:.3f}; antspyx takes {ratios[name]:.1f} times "
            f"as long as the brain, {each['antspyx'] / each['grid']:.2f} as the grid"
        )
        print(
            f"  in {share:.0%} of the brain, {DEEP} voxels and more from the image's end: "
            f"r {r:.7f}, largest difference {worst:.1e} of the range"
        )
        failed |= r < GATE[0] or worst > GATE[1]
    if failed:
        print(f"FAILED: r must reach {GATE[0]}, and differences stay within {GATE[1]:.0e}")
        return 1
    print(f"RATIO resampling={ratios['cubic']:.2f}")
    return 0


def full_runs(folder: Path) -> int:
    """Two whole runs from generated images, in one process: seconds a volume, and peak memory."""
    path = folder / "bold.nii"
    write_raw(path, FULL)
    points, inside = target()
    points, motion = points[inside], head_motion(FULL)
    kept, spent = [], 0.0
    for _ in range(RUNS):
        image = nib.load(path)
        start = time.process_time()
        sampling = Sampling(points, np.linalg.inv(image.affine) @ motion, SHAPE)
        kept.append(resample(raw_volumes(path, image), sampling.only(sampling.covered())))
        spent += time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    each = spent / FULL / RUNS
    print(f"{RUNS} runs of {FULL} volumes, {kept[0].shape[1]} voxels, both kept in memory")
    print(f"{each:.3f} s a volume; peak of the process {peak:.2f} GB (limit {MEMORY})")
    print(
        f"extrapolated, not run: a subject of {SUBJECT} runs takes "
        f"{SUBJECT * FULL * each / 60:.1f} min of one core"
    )
    return int(peak > MEMORY)


def with_slice_timing(folder: Path) -> int:
    """A whole run from a generated image, its slices brought to one time first."""
    path = folder / "bold.nii"
    write_raw(path, FULL)
    points, inside = target()
    points, motion = points[inside], head_motion(FULL)
    image = nib.load(path)
    excited = np.arange(SHAPE[2]) % (SHAPE[2] // BAND)
    times = TR * excited / (excited.max() + 1)
    start = time.process_time()
    series = retimed(raw_volumes(path, image), image.shape, times, 2, times.max() / 2, TR)
    corrected = time.process_time() - start
    sampling = Sampling(points, np.linalg.inv(image.affine) @ motion, SHAPE)
    volumes = (series[..., number] for number in range(FULL))
    resample(volumes, sampling.only(sampling.covered()))
    spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"a run of {FULL} volumes: slice timing {corrected:.1f} s, sampling the brain after it")
    print(f"{spent - corrected:.1f} s; peak of the process {peak:.2f} GB (limit {MEMORY})")
    return int(peak > MEMORY)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--volumes", type=int, default=6, help="volumes to time")
    parser.add_argument("--full", action="store_true", help="two whole runs, ours alone")
    parser.add_argument("--slices", action="store_true", help="one whole run with slice timing")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if args.slices:
            return with_slice_timing(Path(name))
        return full_runs(Path(name)) if args.full else compare(Path(name), args.volumes)


if __name__ == "__main__":
    sys.exit(main())
