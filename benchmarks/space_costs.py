"""What each feature space that works offline costs: CPU seconds a minute of film, and memory.

No peer, and no gate but that each space ends. The first minute of the demo's film at 720p, with its
sound, goes through each extractor, all its layers in one pass, as the workflow runs it (``tristream
features extract``, one thread). What the film's first five seconds take is measured by itself and
subtracted: most of it is the program's start. The last line tells how many seconds of film the
slowest space takes in during one CPU second.

    python benchmarks/space_costs.py
    python benchmarks/space_costs.py --spaces optical_flow tracked_objects
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import av
from film_memory import ONE_THREAD, command, demo_film, write_study

from tristream.config.feature_spaces import FeatureSpace
from tristream.config.sources import ArchiveSource
from tristream.errors import UserError
from tristream.features.core.checked_space import check
from tristream.features.core.reference_page import STREAMS

SECONDS, START = 60, 5
# Options of spaces that need some, and further spaces of an extractor.
OPTIONS: dict[str, dict[str, object]] = {
    "cornet_s": {"untrained": True},
    "optical_flow_farneback": {"method": "farneback"},
    "optical_flow_ifnet": {"method": "ifnet"},
    "optical_flow_tvl1": {"method": "tvl1"},
}


def spaces() -> dict[str, dict[str, object]]:
    """Every space that needs neither a network of the hub nor training, as config.yaml has it."""
    found: dict[str, dict[str, object]] = {}
    for stream, names in STREAMS.items():
        for name in names:
            further = [key for key in OPTIONS if key.startswith(f"{name}_")]
            for space in (name, *further):
                block: dict[str, object] = {"stream": stream, "extractor": name, "layers": ["all"]}
                block["options"] = OPTIONS.get(space, {})
                if offline(block):
                    found[space] = block
    return found


def offline(block: dict[str, object]) -> bool:
    """Whether a space's weights are on the package index, or none are needed."""
    try:
        source = check("offline", FeatureSpace.model_validate(block)).weights
    except UserError:
        return False
    return source is None or isinstance(source, ArchiveSource)


def cut(film: Path, output: Path, seconds: float) -> None:
    """Copy the packets of a film's beginning; nothing is encoded."""
    with av.open(str(film)) as source, av.open(str(output), "w") as target:
        wanted = (source.streams.video[0], source.streams.audio[0])
        streams = [target.add_stream_from_template(stream) for stream in wanted]
        for packet in source.demux(*wanted):
            if packet.dts is not None and packet.dts * packet.time_base < seconds:
                packet.stream = streams[wanted.index(packet.stream)]
                target.mux(packet)


def run(call: list[str]) -> tuple[float, float]:
    """CPU seconds and peak resident memory (bytes) of a process and those that it waits for."""
    job = subprocess.Popen(call, env={**os.environ, **ONE_THREAD}, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(job.pid, 0)
    job.returncode = os.waitstatus_to_exitcode(status)
    if job.returncode:
        sys.exit(f"{' '.join(call)}: ended with {job.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024.0


def measure(folder: Path, film: Path, data: Path, space: str) -> tuple[int, float, float]:
    """Layers, CPU seconds, peak memory (bytes)."""
    block = spaces()[space]
    shared = write_study(folder, film, data, {space: block})
    receipt, weights = folder / "film.json", folder / "weights.json"
    fetches = [["stimuli", *shared, "--dataset", "film", "--output", receipt]]
    checked = check(space, FeatureSpace.model_validate(block))
    output = folder / f"results/features/film/{space}/{checked.layers[0]}.h5"
    call = ["features", "extract", *shared, "--dataset", "film", "--space", space]
    call += ["--receipt", receipt, "--output", output]
    if checked.weights is not None:
        fetches.append(["weights", *shared, "--space", space, "--output", weights])
        call += ["--weights", weights]
    for words in fetches:
        subprocess.run(command("fetch", *words), check=True, stderr=subprocess.DEVNULL)
    return len(checked.layers), *run(command(*call))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--spaces", nargs="+", choices=spaces(), default=list(spaces()))
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of downloads")
    args = parser.parse_args()
    slowest = 0.0
    print(f"{'space':24}{'layers':>7}{'CPU s/min':>11}{'first 5 s':>12}{'peak (GB)':>11}")
    with tempfile.TemporaryDirectory() as scratch:
        films = {}
        for seconds in (START, SECONDS):
            films[seconds] = Path(scratch) / f"{seconds}" / "film.mp4"
            films[seconds].parent.mkdir()
            cut(demo_film(args.data), films[seconds], seconds)
        for space in args.spaces:
            taken = {}
            for seconds, film in films.items():
                folder = Path(scratch) / f"{space}{seconds}"
                folder.mkdir()
                layers, taken[seconds], peak = measure(folder, film, args.data, space)
            cost = (taken[SECONDS] - taken[START]) * 60 / (SECONDS - START)
            slowest = max(slowest, cost)
            print(
                f"{space:24}{layers:7}{cost:11.1f}{taken[START]:12.1f}{peak / 1e9:11.2f}",
                flush=True,
            )
    print(f"RATIO slowest_space_in_real_time={60 / slowest:.2f}")


if __name__ == "__main__":
    main()
