"""Motion energy: ours against pymoten's, bank building included; and the speed of the flow methods.

Both apply pymoten's default pyramid to the same frames: a clip of 10 s at pymoten's default size,
where building the filters weighs most, and 30 s at this package's default size, where filtering
does. pymoten has two ways, filter by filter with numpy and in batches with torch (in double
precision: it fails in single); the better one counts. Times are CPU seconds of one thread, in
turns; the ratio is that of the medians. The gate, for every channel, on random and on real film
frames: relative error of the energy below 1e-3, correlation above 0.9999 (where a channel varies;
those that don't are named).

Flow methods are timed on the film's frames at 160 x 90, in CPU seconds of one thread; no gate.

    python benchmarks/motion_energy.py
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from itertools import islice
from pathlib import Path

import cv2
import moten
import numpy as np
import torch
from moten.backend import set_backend
from threadpoolctl import threadpool_limits

from tristream.config.sources import ArchiveSource
from tristream.features.spaces.motion_energy import (
    LENGTH,
    Bank,
    MotionEnergyOptions,
    luminance,
    pyramid,
)
from tristream.features.spaces.optical_flow.fields import IFNET, NETWORKS, Method, flow_fields
from tristream.fetch.archive import fetch_archive
from tristream.media.films import frames

FILM = ArchiveSource(
    package="moviepy",
    version="2.2.1",
    sha256="c80cb56815ece94e5e3e2d361aa40070eeb30a09d23a24c4e684d03e16deacb1",
    members=["docs/_static/medias/getting_started/moviepy_10_minutes/trailer_bbb.mp4"],
)
ERROR, CORRELATION = 1e-3, 0.9999
# Frames, width and height.
SETTINGS = {"motion_energy_30s": (720, (128, 72)), "motion_energy": (240, (256, 144))}
METHODS: tuple[Method, ...] = ("dis", "farneback", "tvl1", "ifnet")


def ours(images: np.ndarray, options: MotionEnergyOptions) -> np.ndarray:
    """Log energies by this package, in the pieces that the extractor uses."""
    bank = Bank(options, "cpu")
    after = -(-options.width // 2) - 1
    padded = np.pad(images, ((options.width - 1 - after, after), (0, 0), (0, 0)))
    parts = [
        bank.project(torch.as_tensor(padded[first : first + LENGTH + options.width - 1]))
        for first in range(0, len(images), LENGTH)
    ]
    return torch.cat(parts).numpy()


def pymoten(images: np.ndarray, options: MotionEnergyOptions, backend: str) -> np.ndarray:
    """The same by pymoten."""
    set_backend(backend)
    width, height = options.size
    filters = moten.get_default_pyramid(vhsize=(height, width), fps=options.fps)
    if backend == "torch":
        return filters.project_stimulus_batched(torch.as_tensor(images).double()).numpy()
    return filters.project_stimulus(images)


def accurate(found: np.ndarray, reference: np.ndarray, names: list[str], title: str) -> bool:
    """Print the worst channel; say whether the gate holds."""
    energy, wanted = np.exp(found.astype(float)), np.exp(reference.astype(float))
    error = np.abs(energy - wanted).max(axis=0) / wanted.max(axis=0)
    a, b = (x - x.mean(axis=0) for x in (found.astype(float), reference.astype(float)))
    scale = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    live = reference.std(axis=0) > 0
    r = (a * b).sum(axis=0)[live] / scale[live]
    dead = [name for name, varies in zip(names, live, strict=True) if not varies]
    print(
        f"{title}: worst channel relative error {error.max():.1e} ({names[error.argmax()]}), "
        f"correlation {r.min():.8f}; dead channels: {', '.join(dead) or 'none'}"
    )
    return bool(error.max() < ERROR and r.min() > CORRELATION)


def film_luminance(path: Path, options: MotionEnergyOptions, count: int) -> np.ndarray:
    """Frames from the film's middle."""
    shown = islice(frames(path, fps=options.fps, size=options.size), 480, 480 + count)
    return luminance(torch.as_tensor(np.stack([image for _, image in shown]))).numpy()


def compare(name: str, repeats: int, film: Path) -> bool:
    """Ours and pymoten's, in turns on random frames; then both on real ones."""
    count, size = SETTINGS[name]
    options = MotionEnergyOptions(size=size)
    random = np.random.default_rng(0).uniform(0, 100, (count, size[1], size[0]))
    images = random.astype(np.float32)
    contestants: dict[str, Callable[[], np.ndarray]] = {
        "ours": lambda: ours(images, options),
        "pymoten numpy": lambda: pymoten(images, options, "numpy"),
        "pymoten torch": lambda: pymoten(images, options, "torch"),
    }
    ours(images[:64], options)  # threads and libraries are started
    seconds: dict[str, list[float]] = {contestant: [] for contestant in contestants}
    results = {}
    for _ in range(repeats):
        for contestant, run in contestants.items():
            # Ours takes too little time to be measured once.
            for _ in range(3 if contestant == "ours" else 1):
                taken, results[contestant] = timed(run)
                seconds[contestant].append(taken)
    median = {contestant: float(np.median(values)) for contestant, values in seconds.items()}
    names = [one.name for one in pyramid(options)]
    print(f"\n{count} frames of {size[0]} x {size[1]}, {len(names)} channels")
    for contestant, taken in median.items():
        print(f"{contestant}: {taken:.3f} CPU s, {count / taken:.0f} frames/s")
    better = min(("pymoten numpy", "pymoten torch"), key=median.__getitem__)
    good = accurate(results["ours"], results["pymoten numpy"], names, "random frames")
    real = film_luminance(film, options, count // 2)
    reference = pymoten(real, options, "torch")
    good &= accurate(ours(real, options), reference, names, "film frames")
    print(f"RATIO {name}={median[better] / median['ours']:.1f}")
    return good


def flow_table(film: Path, weights: Path, pairs: int) -> None:
    """Frames per second of each flow method."""
    source = islice(frames(film, fps=12, size=(160, 90)), 240, 241 + pairs)
    colour = np.stack([image for _, image in source])
    grey = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in colour])
    print("| flow method, 160 x 90 | frames/s |\n|---|---|")
    for method in METHODS:
        images = colour if method in NETWORKS else grey
        fields = flow_fields(method, weights, "", "cpu")
        # TV-L1 takes half a second a pair.
        few = images[: max(pairs // 4, 1) + 1] if method == "tvl1" else images
        taken, found = timed(lambda f=fields, i=few: np.stack(list(f(i))))
        print(f"| {method} | {len(found) / taken:.1f} |")


def timed(run: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """CPU seconds, and what was computed."""
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


@contextmanager
def one_thread() -> Iterator[None]:
    """All libraries on one thread; pymoten's progress bars out of sight."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with threadpool_limits(1), open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        yield


def main() -> int:
    """Run all; the exit status says whether the gate holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=24, help="of frames, for the flow methods")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of downloads")
    args = parser.parse_args()
    root, files = fetch_archive(FILM, args.data)
    weights = fetch_archive(IFNET, args.data)[0]
    film = root / files[0].path
    with one_thread():
        flow_table(film, weights, args.pairs)
        good = [compare(name, args.repeats, film) for name in SETTINGS]
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
