"""What jobs ask for grows with what they were measured to grow with, and fits what they used."""

import json
from pathlib import Path

import pytest
import yaml

from helpers.many_subjects import write
from tristream.config.identification import Identification
from tristream.config.load import Resolved, load
from tristream.demands import job_demands
from tristream.demands.job_demands import HELD, MARGIN, SPARE, TERMS, Demands, Sizes, total
from tristream.demands.study_shapes import Shapes
from tristream.encode.disk_arrays import ROOM
from tristream.results import PLACES

WHICH = {"dataset": "many", "subject": "001", "model": "model0"}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write(tmp_path, subjects=3)
    monkeypatch.chdir(folder)
    return folder


def resized(folder: Path, volumes: int, voxels: int) -> Resolved:
    path = folder / "workflow/datasets/many.yaml"
    described = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(described | {"size": {"volumes": volumes, "voxels": voxels}}))
    return load("config.yaml")


@pytest.mark.parametrize(("volumes", "voxels"), [(984, 80_000), (200, 20_000)])
def test_an_encoder_asks_for_the_peak_that_was_measured(study: Path, volumes: int, voxels: int):
    """What it keeps in memory, kernels of n training volumes, and some kB a voxel."""
    asked = Demands(resized(study, volumes, voxels), {}).memory("encoding", WHICH)
    n, bands = 5 * volumes, 6
    held = min(4 * voxels * (n * (bands + 2) + volumes * (bands + 3)) / 1e6, HELD)
    least = 400 + held + 37 * n**2 / 1e6
    assert least < asked < MARGIN * (least + 10 * voxels / 1e3 + 0.1 * n) + SPARE + 100
    assert asked < 8000 - 2 * SPARE


def test_what_an_encoder_keeps_in_memory_is_what_it_is_told_to():
    assert pytest.approx(ROOM / 1e6, abs=1) == HELD


# Training and test volumes, voxels, peak (MB): `benchmarks/subject_stages.py`, three bands.
PEAKS = [
    (600, 400, 2000, 464),
    (300, 200, 8000, 479),
    (600, 400, 20_000, 883),
    (600, 400, 80_000, 1735),
]


@pytest.mark.parametrize(("trained", "tested", "voxels", "peak"), PEAKS)
def test_the_model_is_near_the_peak_of_an_encoder(trained, tested, voxels, peak):
    held = 4 * voxels * (trained * 5 + tested * 6) / 1e6
    sizes = Sizes(trained=trained, tested=tested, voxels=voxels, bands=3, held=held)
    units = json.loads(job_demands.COEFFICIENTS.read_text())["encoding"]["memory"]
    assert peak < total(units, sizes) < 1.25 * peak


# Runs, volumes of each, voxels, CPU seconds, peak (MB): `benchmarks/single_trials.py`.
CHOSEN = [
    (6, 150, 2048, 1.9, 263),
    (30, 300, 2048, 15.3, 739),
    (4, 900, 2048, 16.3, 559),
    (12, 900, 1024, 32.3, 986),
]


@pytest.mark.parametrize(("runs", "volumes", "voxels", "seconds", "peak"), CHOSEN)
def test_the_model_is_near_what_choices_for_trials_took(runs, volumes, voxels, seconds, peak):
    """Which grow with the length of a run; the seconds without those of a job's start."""
    sizes = Sizes(trained=runs * volumes, longest=volumes, voxels=voxels)
    units = json.loads(job_demands.COEFFICIENTS.read_text())["trial_model"]
    assert peak < total(units["memory"], sizes) < 1.5 * peak
    judged = total(units["time"], sizes) - units["time"]["one"]
    assert seconds / 1.2 < judged < 2 * seconds


@pytest.mark.parametrize(("volumes", "voxels", "threads"), [(200, 5000, 1), (984, 80_000, 4)])
def test_a_long_fit_asks_for_several_threads(study: Path, volumes, voxels, threads):
    demands = Demands(resized(study, volumes, voxels), {})
    assert demands.threads("encoding", WHICH) == threads
    assert demands.threads("aligned", WHICH) == 1


def test_each_try_asks_for_more_memory_and_time(study: Path):
    demands = Demands(load("config.yaml"), {})
    for place in ("encoding", "bold", "inference", "report"):
        for asks in (demands.memory, demands.minutes):
            first, second, third = (asks(place, WHICH, attempt) for attempt in (1, 2, 3))
            assert 1.4 * first < second < third, place


def test_sizes_of_files_take_the_place_of_the_descriptors(study: Path):
    before = Demands(load("config.yaml"), {}).memory("encoding", WHICH)
    folder = study / "results/bold/many/sub-001"
    folder.mkdir(parents=True)
    runs = [f"task-film_run-{n}" for n in range(1, 7)]
    (folder / "checked.json").write_text(json.dumps({"volumes": dict.fromkeys(runs, 100)}))
    index = {"runs": [{"run": run, "mask_voxels": 9000} for run in runs]}
    (folder / "index.json").write_text(json.dumps(index))
    demands = Demands(load("config.yaml"), {})
    assert demands.memory("encoding", WHICH) < before / 2
    assert demands.memory("encoding", WHICH | {"subject": "002"}) == before


def test_samples_of_the_inventory_take_the_place_of_volumes(study: Path):
    """For what is fitted to them; a model of trials reads whole runs."""
    few = {f"task-film_run-{n}": 20 for n in range(1, 6)}
    few["task-film_run-6"] = 10_000  # at the most all volumes
    before, after = (
        Demands(load("config.yaml"), {}, Shapes(load("config.yaml"), counted))
        for counted in ({}, {"many": {"main": few}})
    )
    assert after.sizes("encoding", WHICH).trained == 5 * 20
    assert after.sizes("encoding", WHICH).tested == 400
    assert after.memory("encoding", WHICH) < before.memory("encoding", WHICH)
    for place in ("trial_model", "bold"):
        assert after.memory(place, WHICH) == before.memory(place, WHICH)
    folder = study / "results/stimuli/many"
    folder.mkdir(parents=True)
    (folder / "inventory.json").write_text(json.dumps({"samples": {"samples": {"main": few}}}))
    assert Demands(load("config.yaml"), {}).sizes("encoding", WHICH).trained == 5 * 20


def test_jobs_of_an_array_ask_alike(study: Path):
    path = study / "workflow/datasets/many.yaml"
    described = yaml.safe_load(path.read_text())
    small = described | {"id": "few", "size": {"volumes": 100, "voxels": 5000}}
    (study / "workflow/datasets/few.yaml").write_text(yaml.safe_dump(small))
    config = yaml.safe_load((study / "config.yaml").read_text())
    config["datasets"]["few"] = {}
    (study / "config.yaml").write_text(yaml.safe_dump(config))
    demands = Demands(load("config.yaml"), {})
    asked = {d: demands.memory("bold", WHICH | {"dataset": d, "run": "r"}) for d in ("many", "few")}
    assert asked["many"] == asked["few"]
    own = {d: demands.memory("contrast", WHICH | {"dataset": d}) for d in ("many", "few")}
    assert own["few"] < own["many"]


@pytest.mark.parametrize(
    ("place", "key"), [("encoding", "resolution"), ("report", "resolution"), ("bold", "resolution")]
)
def test_a_remedy_names_a_key_and_a_size_that_fits(study: Path, place: str, key: str):
    resolved = resized(study, 400, 230_000)
    demands = Demands(resolved, {})
    asked = demands.memory(place, WHICH)
    limit = round(0.8 * asked)
    said = demands.remedy(place, WHICH, limit)
    assert key in said
    voxels = int(said.rpartition("(")[2].partition(" voxels")[0].replace(",", ""))
    fits = Demands(resized(study, 400, voxels), {}).memory(place, WHICH)
    assert fits <= limit + job_demands.STEP
    assert fits > 0.9 * limit


def test_where_nothing_helps_the_remedy_says_so(study: Path):
    assert "no key" in Demands(load("config.yaml"), {}).remedy("encoding", WHICH, 400)


def test_all_that_is_learned_is_of_a_place_and_of_known_sizes():
    learned = json.loads(job_demands.COEFFICIENTS.read_text())
    assert set(learned) <= set(PLACES)
    for place, parts in learned.items():
        assert "time" in parts, place
        assert any(part.startswith("memory") for part in parts), place
        for units in parts.values():
            assert next(iter(units)) == "one" or "one" in units
            assert set(units) <= set(TERMS)
            assert all(unit >= 0 for unit in units.values())


def test_an_identification_with_bands_asks_for_what_its_fits_take(study: Path):
    """Layers of all regions together are fitted seven times, and have kernels of the samples."""
    which = {"dataset": "many", "subject": "001", "identification": "items"}
    asked = {}
    for banded in (False, True):
        resolved = resized(study, 400, 20_000)
        block = Identification(
            datasets=["many"], features=["net", "net/last"], regions=["V1", "V2"], banded=banded
        )
        resolved.study.identification["items"] = block
        demands = Demands(resolved, {"net": ("first", "middle", "last")})
        sizes = demands.sizes("identification", which)
        assert sizes.joined == (4 if banded else 0)
        asked[banded] = [
            getattr(demands, of)("identification", which) for of in ("memory", "minutes")
        ]
    assert asked[True][0] > asked[False][0] + 600
    assert asked[True][1] > asked[False][1] + 30
