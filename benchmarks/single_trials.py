"""Single trials of a rapid design: time and memory of a subject's choices, and of one run's trials.

    OMP_NUM_THREADS=1 python benchmarks/single_trials.py [--voxels 4096] [--runs 30] [--volumes 300]

Thirty runs (sessions of ten) of 300 volumes of 1.5 s, in each 97 images of 0.5 s every 4.5 s, 20 of
them in every run; voxels are solved in chunks of 2,048.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from tristream.bold.cleaning import projection_basis
from tristream.bold.high_pass import high_pass_cosines
from tristream.bold.response_library import CANONICAL, expected
from tristream.bold.run_file import Run, read_run, write_run
from tristream.bold.single_trials import estimated
from tristream.bold.trial_choices import BLOCK, choose
from tristream.bold.trial_designs import designs_of
from tristream.bold.trial_model import training_run
from tristream.stimuli.timelines import Event

TR, EVERY, SHOWN, REPEATED = 1.5, 4.5, 0.5, 20


def events_of(run: int, volumes: int, rng: np.random.Generator) -> list[Event]:
    """Images that come in every run, and images of this run, in random order."""
    trials = int((volumes * TR - 12) / EVERY)
    names = [f"again{n}" if n < REPEATED else f"{run}-{n}" for n in range(trials)]
    shown = rng.permutation(names).tolist()
    return [Event(6 + EVERY * n, SHOWN, item, "", item) for n, item in enumerate(shown)]


def write_volumes(
    path: Path, run: int, events: list[Event], shape: tuple[int, int], rng: np.random.Generator
) -> None:
    """Cleaned volumes: noise, some of it shared, and a response to all trials in every third."""
    times = TR * (np.arange(shape[0]) + 0.5)
    basis = projection_basis(shape[0], high_pass_cosines(times, 128))
    bold = rng.normal(0, 1, shape).astype(np.float32)
    bold += np.outer(np.sin(times / 9), rng.normal(0, 1, shape[1])).astype(np.float32)
    neural = expected(CANONICAL, times, events, SHOWN) @ rng.normal(1, 1, len(events))
    bold[:, ::3] += neural[:, None].astype(np.float32)
    bold -= (basis @ (basis.T @ bold)).astype(np.float32)
    write_run(path, run_of(f"ses-{run // 10}_run-{run}", times, bold, basis), {})


def run_of(name: str, times: np.ndarray, bold: np.ndarray, basis: np.ndarray) -> Run:
    """A run without anything else."""
    volumes, voxels = bold.shape
    level = np.full(voxels, 900, np.float32)
    return Run(
        subject="01",
        run=name,
        space="native",
        tr=TR,
        start_time=TR / 2,
        time=times,
        bold=bold,
        ijk=np.stack([np.arange(voxels)] * 3, axis=1).astype(np.int32),
        affine=np.eye(4),
        shape=(voxels,) * 3,
        confounds=np.empty((volumes, 0)),
        confound_names=(),
        projection=basis,
        censor=np.zeros(volumes, bool),
        mean=level,
        tsnr=level,
        fd=np.full(volumes, np.nan),
        constant=0,
        simulated=True,
        methods=("Made by a benchmark.",),
        percent=True,
    )


def peak() -> float:
    """Largest memory of this process so far (MB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--voxels", type=int, default=2 * BLOCK)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--volumes", type=int, default=300)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{run}.h5" for run in range(args.runs)]
        shown = [events_of(run, args.volumes, rng) for run in range(args.runs)]
        for run, (path, events) in enumerate(zip(paths, shown, strict=True)):
            write_volumes(path, run, events, (args.volumes, args.voxels), rng)
        before, start = peak(), time.process_time()
        runs = [
            training_run(path, read_run(path, signal=False), events, SHOWN)
            for path, events in zip(paths, shown, strict=True)
        ]
        designs = time.process_time() - start
        choices = choose(runs, np.full(args.voxels, 900.0), 10)
        chosen = time.process_time() - start - designs
        most = peak()
        start = time.process_time()
        run = read_run(paths[0])
        estimated(run.bold, designs_of(run, shown[0], [], SHOWN), choices)
        one = time.process_time() - start
    print(
        f"{args.runs} runs of {args.volumes} volumes, {len(shown[0])} trials each; "
        f"{args.voxels:,} voxels"
    )
    print(f"designs {designs:.1f} s, choices {chosen:.1f} s, trials of a run {one:.2f} s (CPU)")
    print(f"memory {most:,.0f} MB, of which {before:,.0f} before")
    print(f"{choices.components} components, median fraction {np.median(choices.fraction):.2f}")


if __name__ == "__main__":
    main()
