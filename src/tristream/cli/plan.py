"""``tristream plan``: what a run would download, occupy and compute, before it starts."""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tristream.cli.common import add_config, add_stage, study

if TYPE_CHECKING:
    from tristream.config.load import Resolved
    from tristream.config.sources import ArchiveSource, HubSource
    from tristream.demands.study_shapes import Samples
    from tristream.fetch.plan import Plan

EXAMPLES = """\
  tristream plan
  tristream plan --memory 8G
  tristream plan --config mine.yaml
"""
STAGES = (
    *("fetch", "simulate", "stimuli", "features", "bold", "align"),
    *("encode", "decode", "contrast", "inference", "power", "maps", "report"),
)


@dataclass
class StageJobs:
    """Jobs of one stage in a dry run.

    Attributes
    ----------
    jobs : int
        How many are left to do.
    memory : int
        MB that the largest of them reserves.
    threads : int
        Most threads of one job.
    """

    jobs: int = 0
    memory: int = 0
    threads: int = 1


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    parser = add_stage(
        stages, "plan", "Tell downloads, disk, memory and jobs before a run.", EXAMPLES
    )
    add_config(parser)
    parser.add_argument(
        "--memory",
        type=megabytes,
        metavar="8G",
        help="refuse jobs that ask for more, with the key that would make them fit",
    )
    parser.add_argument(
        "--partitions",
        type=largest_partition,
        metavar="FILE",
        dest="memory",
        help="the same for the largest partition of a Slurm profile's partitions.yaml",
    )
    parser.set_defaults(run=run)


def megabytes(text: str) -> int:
    """MB of ``8G``, ``8000M`` or ``8000``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MG]?)B?", text.strip(), flags=re.IGNORECASE)
    if found is None or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: write 8G or 8000M")
    return round(float(found[1]) * (1000 if found[2].upper() == "G" else 1))


def largest_partition(text: str) -> int:
    """The most MB that a job may ask for, by a file of partitions."""
    import yaml

    try:
        partitions = yaml.safe_load(Path(text).read_text(encoding="utf-8"))["partitions"]
        return max(int(limits["max_mem_mb"]) for limits in partitions.values())
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        why = f"{text}: no partitions with a `max_mem_mb` each ({error})"
        raise argparse.ArgumentTypeError(why) from None


def run(args: argparse.Namespace) -> int:
    """Print the plan; status 1 if files are faulty, jobs too large, or snakemake has no plan."""
    from tristream.bold.files_at_hand import faults
    from tristream.config.settings.fetch import FetchDatasetSettings
    from tristream.fetch.plan import plan_study
    from tristream.fetch.steps import listing_at_hand
    from tristream.stimuli.events_at_hand import known_later, samples_at_hand

    resolved = study(args)
    plans = plan_study(resolved, list(members(resolved)))
    print("Downloads")
    print(table([("what", "to download", "present", ""), *map(download_row, plans)]))
    print("\nDisk")
    counted = {name: samples_at_hand(resolved, name) for name in resolved.datasets}
    print(table(disk_rows(resolved, plans, counted)))
    if wrong := [line for dataset in resolved.datasets for line in faults(resolved, dataset)]:
        print("\nFaults\n" + "\n".join(f"  {line}" for line in wrong))
        return 1
    later = [
        line
        for name in resolved.datasets
        for found in [listing_at_hand(FetchDatasetSettings.of(resolved, dataset=name))]
        for line in known_later(resolved, name, found)
    ]
    if later:
        print("\nNot known yet\n" + "\n".join(f"  {line}" for line in later))
    print("\nJobs")
    call = [sys.executable, "-m", "snakemake", "--dry-run", "--printshellcmds", "--cores", "all"]
    call += ["--configfile", args.config]
    dry = subprocess.run(call, capture_output=True, text=True)
    if dry.returncode:
        print(f"snakemake can't plan the jobs:\n{(dry.stderr or dry.stdout).strip()}")
        return 1
    stages = jobs_of(dry.stdout + dry.stderr)
    if not stages:
        print("nothing to be done")
        return 0
    rows = [
        (stage, str(j.jobs), f"{j.memory / 1000:.1f} GB", str(j.threads))
        for stage, j in stages.items()
    ]
    print(table([("stage", "jobs", "memory a job", "threads a job"), *rows]))
    if args.memory and (large := list(too_large(resolved, dry.stdout + dry.stderr, args.memory))):
        print("\nToo large\n" + "\n".join(f"  {line}" for line in large))
        return 1
    return 0


def too_large(resolved: "Resolved", printed: str, limit: int) -> Iterator[str]:
    """Jobs of a dry run that ask for more than `limit` MB: the largest of each rule, with a remedy.

    Layers of feature spaces that are not fetched are not asked for; files of features that are
    there are of all layers.
    """
    from tristream.demands.job_demands import Demands

    demands = Demands(resolved, {})
    largest: dict[str, tuple[int, str]] = {}
    for block in _blocks(printed):
        asked = _number(r"\bmem_mb=(\d+)", block, 0)
        benchmark = re.search(r"^\s*benchmark: (.+)$", block, flags=re.MULTILINE)
        found = demands.job_of(benchmark[1]) if benchmark else None
        if asked <= limit or found is None or asked <= largest.get(found[0], (0, ""))[0]:
            continue
        place, wildcards = found
        about = " ".join(f"{key} {value}" for key, value in wildcards.items())
        says = (
            f"{place}{about and f' ({about})'} asks for {asked / 1000:.1f} GB of {limit / 1000:g}: "
        )
        largest[place] = asked, says + demands.remedy(place, wildcards, limit)
    return iter(says for _, says in sorted(largest.values(), reverse=True))


def members(resolved: "Resolved") -> "Iterator[tuple[str, ArchiveSource | HubSource]]":
    """What is fetched beside datasets: weights of extractors, atlases, meshes to draw on."""
    from tristream.config.sources import ArchiveSource, HubSource
    from tristream.features.core.checked_space import weights_of
    from tristream.simulate.preset import load_preset

    chosen = resolved.study
    for name, space in chosen.features.items():
        weights = weights_of(name, space)
        if isinstance(weights, ArchiveSource | HubSource):
            yield f"{name} weights", weights
    for name, dataset in resolved.datasets.items():
        if dataset.source.kind == "simulate":
            yield f"{name} atlas", load_preset(dataset.source.preset).atlas
    analysed = {d for model in chosen.models.values() for d in model.datasets}
    analysed |= {d for contrast in chosen.contrasts.values() for d in contrast.datasets}
    if any(map(resolved.needs_regions, analysed)):
        from tristream.space.harvard_oxford import HARVARD_OXFORD

        yield "atlas of regions", HARVARD_OXFORD
    if any(map(resolved.needs_meshes, analysed)):
        from tristream.space.mesh_faces import FSLR_MESHES

        yield "meshes of fsLR", FSLR_MESHES


def download_row(plan: "Plan") -> tuple[str, str, str, str]:
    """One line of the table of downloads."""
    from tristream.fetch.plan import human

    return plan.dataset, human(plan.download), human(plan.present), plan.summary


def disk_rows(
    resolved: "Resolved", plans: "Sequence[Plan]", counted: "Mapping[str, Samples]"
) -> list[tuple[str, ...]]:
    """Disk that the run needs, as far as it is known, and what is free."""
    from tristream.demands.results_size import OF_NETWORK, results_bytes
    from tristream.features.core.space_size import space_sizes
    from tristream.fetch.plan import human

    known = sum(plan.download or 0 for plan in plans)
    unknown = [plan.dataset for plan in plans if plan.download is None]
    more = f", and {', '.join(unknown)}: not known yet" if unknown else ""
    sizes = {p.dataset: (p.download or 0) + p.present for p in plans}
    images = {name: sizes[name] for name in resolved.datasets}
    spaces = space_sizes(resolved)
    needed = results_bytes(resolved, images, spaces, counted)
    unseen = [name for name, held in images.items() if not held]
    without = f"; {', '.join(unseen)}: judged without images" if unseen else ""
    judged = [name for name, one in spaces.items() if one.medium != "label" and 0 in one.widths]
    if judged:
        without += f"; {', '.join(judged)}: judged at {OF_NETWORK:,} columns a layer"
    rows: list[tuple[str, ...]] = [("folder", "needs about", "free", "")]
    for folder, size, note in (
        (resolved.study.data, known, f"downloads; unpacked archives come on top{more}"),
        (resolved.study.results, needed, f"BOLD, features, models, maps, report{without}"),
    ):
        rows.append((folder, human(size), human(free(Path(folder))), note))
    return rows


def free(folder: Path) -> int:
    """Bytes free where `folder` is, or will be."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def jobs_of(printed: str) -> dict[str, StageJobs]:
    """Jobs of each stage, from what a dry run of snakemake printed.

    A job's stage is the word after ``-m tristream`` in its command.
    """
    found: dict[str, StageJobs] = {}
    for block in _blocks(printed):
        stage = re.search(r"-m tristream (\w+)", block)
        if stage is None:
            continue
        name = "encode" if stage[1] == "predict" else stage[1]
        jobs = found.setdefault(name, StageJobs())
        jobs.jobs += 1
        jobs.memory = max(jobs.memory, _number(r"\bmem_mb=(\d+)", block, 0))
        jobs.threads = max(jobs.threads, _number(r"^\s*threads: (\d+)", block, 1))
    known = [stage for stage in STAGES if stage in found]
    return {stage: found[stage] for stage in [*known, *sorted(set(found) - set(known))]}


def _blocks(printed: str) -> list[str]:
    """What a dry run says of each job."""
    return re.split(r"^(?:local)?(?:rule|checkpoint) \w+:$", printed, flags=re.MULTILINE)[1:]


def _number(pattern: str, text: str, otherwise: int) -> int:
    match = re.search(pattern, text, flags=re.MULTILINE)
    return int(match[1]) if match else otherwise


def table(rows: Sequence[Sequence[str]]) -> str:
    """Text columns; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(f"  {line}" for line in lines)
