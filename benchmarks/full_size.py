"""A subject of real size through all stages: time, peak memory and bytes written of each.

``simulate like`` writes ds003720's shape (12 training and 6 test runs, raw BOLD with fMRIPrep's
transforms); the workflow takes it from fetch to report on two cores, with the memory that is given
as its limit. The default scale gives 80,000 voxels of 2.84 mm; at scale 1 the whole brain has
230,000 of 2 mm; a scale of 4 (3,600 voxels) takes minutes and tests the script.

    python benchmarks/full_size.py --scale 4 --runs "task-*_run-0[123]"
    python benchmarks/full_size.py --memory 8000
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

HOME = Path(__file__).resolve().parents[1]
DATASET, SUBJECT = "ds003720", "001"
EVENTS = HOME / "tests/data/openneuro_events.tar.gz"
STAGES = (
    *("fetch", "stimuli", "features", "bold", "align", "encode", "partition"),
    *("inference", "maps", "report"),
)


@dataclass
class Used:
    """What the jobs of a stage used: together, but for `peak`."""

    jobs: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0
    written: int = 0


def environment() -> dict[str, str]:
    """One thread a job, and this Python first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    source = os.pathsep.join([str(HOME / "src"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PATH": path, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}


def tristream(folder: Path, *arguments: str) -> str:
    """What a command of the package prints."""
    call = [sys.executable, "-m", "tristream", *arguments]
    done = subprocess.run(call, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(call)}: status {done.returncode}")
    return done.stdout


def write_study(folder: Path, scale: float, runs: Sequence[str], film: Path | None) -> None:
    """A synthetic subject and a study of it, and a model of three bands."""
    shutil.unpack_archive(EVENTS, folder / "real")
    datasets = folder / "workflow/datasets"
    datasets.mkdir(parents=True)
    for path in (HOME / "workflow/datasets").glob(f"{DATASET}*"):
        shutil.copy(path, datasets)
    path = datasets / f"{DATASET}.yaml"
    described = yaml.safe_load(path.read_text())
    described["layout"]["resolution"] = 2.0 * scale
    path.write_text(yaml.safe_dump(described | {"subjects": [SUBJECT], "missing": {}}))
    call = ["simulate", "like", "--dataset", DATASET, "--datasets", str(datasets)]
    call += ["--output", str(folder / "archive"), "--from", str(folder / "real" / DATASET)]
    call += ["--scale", str(scale), "--subjects", SUBJECT, *(["--runs", *runs] if runs else [])]
    block = yaml.safe_load(tristream(folder, *call, *(["--film", str(film)] if film else [])))
    fit = {"datasets": [DATASET], "delays": "2-8 s", "alphas": {"number": 10}, "candidates": 100}
    bands = {"spectrum": ["sound/logmel"], "loudness": ["sound/envelope"], "cochlea": ["cochlea"]}
    study = {
        **block,
        "features": {
            "sound": {
                "stream": "auditory",
                "extractor": "acoustics",
                "layers": ["logmel", "envelope"],
            },
            "cochlea": {
                "stream": "nuisance",
                "extractor": "gammatone",
                "options": {"channels": 16},
            },
        },
        "models": {
            "full": {"bands": bands, **fit},
        },
        "inference": {"permutations": 1000},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(study, sort_keys=False))


def run(folder: Path, memory: int, cores: int) -> float:
    """Seconds that the workflow takes."""
    call = [sys.executable, "-m", "snakemake", "-s", str(HOME / "Snakefile"), "--cores", str(cores)]
    call += ["--configfile", "config.yaml", "--resources", f"mem_mb={memory}"]
    call += ["--show-failed-logs", "--quiet", "rules"]
    start = time.monotonic()
    if subprocess.run(call, cwd=folder, env=environment()).returncode:
        sys.exit(f"the workflow failed in {folder}")
    return time.monotonic() - start


def used(results: Path) -> dict[str, Used]:
    """Of each stage, from the benchmark files, and the sizes of what lies in its folder."""
    stages: dict[str, Used] = defaultdict(Used)
    for path in (results / "benchmarks").rglob("*.tsv"):
        stage = stages[path.relative_to(results / "benchmarks").parts[0].removesuffix(".tsv")]
        with path.open() as file:
            for row in csv.DictReader(file, delimiter="\t"):
                stage.jobs += 1
                stage.seconds += float(row["s"])
                stage.cpu += float(row["cpu_time"]) if row["cpu_time"] not in ("NA", "-") else 0
                peak = row["max_rss"]
                stage.peak = max(stage.peak, float(peak) if peak not in ("NA", "-") else 0)
    for name, stage in stages.items():
        files = (p for p in (results / name).rglob("*") if p.is_file())
        stage.written = sum(p.stat().st_size for p in files)
    known = [name for name in STAGES if name in stages]
    return {name: stages[name] for name in [*known, *sorted(set(stages) - set(known))]}


def table(stages: dict[str, Used]) -> str:
    """For docs/cluster.md."""
    lines = [
        "| stage | jobs | s | CPU s | peak of a job, MB | written, MB |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in stages.items():
        cells = (one.jobs, f"{one.seconds:.0f}", f"{one.cpu:.0f}", f"{one.peak:.0f}")
        lines.append(f"| {name} | {' | '.join(map(str, cells))} | {one.written / 1e6:.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Write the subject, run the study, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.42, help="factor on edges of 2 mm")
    parser.add_argument("--runs", nargs="*", default=[], help="runs or patterns (default: all 18)")
    parser.add_argument("--memory", type=int, default=8000, help="MB that all jobs may take")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where to work, kept (default: temporary)")
    parser.add_argument("--film", type=Path, help="film that stand-in sounds are cut from")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (args.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        if not (folder / "config.yaml").is_file():
            write_study(folder, args.scale, args.runs, args.film)
        print(f"simulate like: {time.monotonic() - start:.0f} s", flush=True)
        seconds = run(folder, args.memory, args.cores)
        stages = used(folder / "results")
        print(table(stages))
    peak = max(stage.peak for stage in stages.values())
    print(f"all stages: {seconds:.0f} s on {args.cores} cores; largest peak {peak:.0f} MB")
    print(f"RATIO full_size_peak_of_memory={peak / args.memory:.3f}")


if __name__ == "__main__":
    main()
