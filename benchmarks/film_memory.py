"""Peak memory of a long 720p film through four extractors, killed in the middle on the way.

The film is the demo's, of ten minutes; `--hours 2` plays it again and again, its packets copied
one after another into one file, until it lasts as long.

Each extractor runs as the workflow runs it (``tristream features extract``, one thread), all its
layers in one pass: EfficientNet-Lite0 (pooled), motion energy, optical flow, musicnn. The job is
killed (SIGKILL) once it has stored some chunks and begun again. Gates, else a non-zero exit: no
process above 3 GB (maximum resident set as the kernel counts it); chunks that were stored before
the kill are not written again.

    python benchmarks/film_memory.py
    python benchmarks/film_memory.py --hours 2

Takes minutes an extractor and ten minutes of film on one core; `--spaces flow` runs one of them.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from math import ceil
from pathlib import Path

import av
import yaml

from tristream.config.load import load
from tristream.config.sources import ArchiveSource
from tristream.fetch.archive import fetch_archive

MOST = 3e9
SPACES: dict[str, dict[str, object]] = {
    "efficientnet": {"stream": "ventral", "extractor": "efficientnet_lite0", "layers": ["all"]},
    "motion_energy": {"stream": "dorsal", "extractor": "motion_energy"},
    "flow": {"stream": "dorsal", "extractor": "optical_flow", "layers": ["all"]},
    "musicnn": {"stream": "auditory", "extractor": "musicnn", "layers": ["all"]},
}
FIRST_LAYER = {
    "efficientnet": "head",
    "motion_energy": "energy",
    "flow": "flow",
    "musicnn": "timbral",
}
STORED = 2
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


def command(*words: object) -> list[str]:
    """A command line of tristream."""
    return [sys.executable, "-m", "tristream", *map(str, words)]


def chunks(results: Path, layer: str) -> dict[str, int]:
    """Stored chunks of a layer and the times of their writing."""
    files = (results / "features").glob(f"*/*/.chunks/*/{layer}/*/*.npz")
    found = {}
    for path in files:
        try:
            found[str(path)] = path.stat().st_mtime_ns
        except FileNotFoundError:
            continue
    return found


def wait(job: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Exit status and peak resident memory (bytes) of a process."""
    _, status, used = os.wait4(job.pid, 0)
    job.returncode = os.waitstatus_to_exitcode(status)
    return job.returncode, used.ru_maxrss * 1024.0


def run(call: list[str], results: Path, layer: str) -> tuple[float, int, int, float]:
    """Kill the job once it has stored chunks, then let it end.

    Returns
    -------
    peak : float
        Bytes, the larger of both runs.
    kept, again : int
        Chunks that were stored at the kill; those of them that the second run wrote again.
    seconds : float
        Wall time of both runs.
    """
    began, env = time.perf_counter(), {**os.environ, **ONE_THREAD}
    job = subprocess.Popen(call, env=env)
    while (
        len(chunks(results, layer)) < STORED
        and os.waitid(os.P_PID, job.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    ):
        time.sleep(0.05)
    os.kill(job.pid, signal.SIGKILL)
    _, peak = wait(job)
    before = chunks(results, layer)
    job = subprocess.Popen(call, env=env)
    after = before
    while os.waitid(os.P_PID, job.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        after = chunks(results, layer) or after
        time.sleep(0.05)
    status, second = wait(job)
    if status:
        sys.exit(f"{' '.join(call)}: ended with {status}")
    again = sum(after.get(path, at) != at for path, at in before.items())
    return max(peak, second), len(before), again, time.perf_counter() - began


def demo_film(data: Path) -> Path:
    """The film of the demo, fetched if need be."""
    source = load("config.yaml").datasets["bunny"].stimuli.source
    assert isinstance(source, ArchiveSource)
    root, files = fetch_archive(source, data)
    return root / files[0].path


def play_again(film: Path, output: Path, seconds: float) -> None:
    """Copy the packets of a film, again and again, until it lasts `seconds`; nothing is encoded."""
    with av.open(str(output), "w") as target:
        with av.open(str(film)) as source:
            streams = [
                target.add_stream_from_template(stream)
                for stream in (source.streams.video[0], source.streams.audio[0])
            ]
            length = Fraction(source.duration, av.time_base)
        for turn in range(ceil(seconds / length)):
            with av.open(str(film)) as source:
                wanted = (source.streams.video[0], source.streams.audio[0])
                for packet in source.demux(*wanted):
                    if packet.dts is None:
                        continue
                    shift = round(turn * length / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = streams[wanted.index(packet.stream)]
                    target.mux(packet)


def write_study(
    folder: Path, film: Path, data: Path, spaces: dict[str, dict[str, object]]
) -> tuple[object, ...]:
    """A study of one film; options of the command line that name it."""
    descriptor = {
        "id": "film",
        "title": "One film",
        "licence": "that of the film",
        "citation": "none",
        "source": {"kind": "folder", "path": "nowhere"},
        "layout": {"kind": "fmriprep"},
        "tr": 1.0,
        "subjects": ["01"],
        "runs": ["run-1", "run-2"],
        "stimuli": {
            "source": {"kind": "folder", "path": str(film.parent)},
            "table": [{"stimulus": "film", "kind": "film", "path": film.name}],
        },
        "split": {"scheme": "holdout", "test": ["run-2"]},
        "exchange": {"unit": "time"},
    }
    study = {"results": str(folder / "results"), "data": str(data.resolve())}
    study |= {"datasets": ["film"], "features": spaces, "device": "cpu"}
    (folder / "datasets").mkdir()
    (folder / "datasets/film.yaml").write_text(yaml.safe_dump(descriptor))
    (folder / "config.yaml").write_text(yaml.safe_dump(study))
    return "--config", folder / "config.yaml", "--datasets", folder / "datasets"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hours", type=float, default=0, help="of film, at least; 0: as it is")
    parser.add_argument("--spaces", nargs="+", choices=SPACES, default=list(SPACES))
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of downloads")
    args = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        film = folder / "stimuli" / "film.mp4"
        film.parent.mkdir()
        if args.hours:
            play_again(demo_film(args.data), film, args.hours * 3600)
        else:
            shutil.copy(demo_film(args.data), film)
        shared = write_study(folder, film, args.data, SPACES)
        receipt = folder / "film.json"
        fetch = command("fetch", "stimuli", *shared, "--dataset", "film", "--output", receipt)
        subprocess.run(fetch, check=True)
        print(f"{'space':15}{'peak (GB)':>10}{'seconds':>9}{'kept':>6}{'again':>7}")
        for space in args.spaces:
            layer = FIRST_LAYER[space]
            output = folder / f"results/features/film/{space}/{layer}.h5"
            call = ["features", "extract", *shared, "--dataset", "film", "--space", space]
            call += ["--receipt", receipt, "--output", output]
            if space in ("efficientnet", "musicnn"):
                weights = folder / f"{space}.json"
                fetch = command("fetch", "weights", *shared, "--space", space, "--output", weights)
                subprocess.run(fetch, check=True)
                call += ["--weights", weights]
            peak, kept, again, seconds = run(command(*call), folder / "results", layer)
            print(f"{space:15}{peak / 1e9:10.2f}{seconds:9.0f}{kept:6}{again:7}", flush=True)
            failed |= peak > MOST or again > 0 or kept < STORED
    if failed:
        sys.exit("a gate is not met: above 3 GB, or a stored chunk was computed again")


if __name__ == "__main__":
    main()
