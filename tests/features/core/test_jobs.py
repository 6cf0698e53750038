"""Which jobs compute the layers of a space: read off the disk, and kept by a job's own process."""

from pathlib import Path

import pytest

from helpers.features_study import FilmStudy
from helpers.watermarks import watermarked
from tristream.features.core.checked_space import check
from tristream.features.core.jobs import FeatureJob, feature_jobs, running_rules, settings_of

LAYERS = ["flow", "directions", "speeds", "camera"]


@pytest.fixture
def study(tmp_path: Path) -> FilmStudy:
    film = watermarked(tmp_path / "stimuli/film.mp4", 24)
    flow = {"stream": "dorsal", "extractor": "optical_flow", "layers": LAYERS}
    return FilmStudy(tmp_path, [film], {"flow": flow})


def jobs(study: FilmStudy, *running: str) -> list[FeatureJob]:
    resolved = study.resolved()
    spaces = {name: check(name, block) for name, block in resolved.study.features.items()}
    return list(feature_jobs(resolved, spaces, running))


def layers(job: FeatureJob) -> list[str]:
    return [Path(path).stem for path in job.outputs]


def write(study: FilmStudy, *names: str) -> None:
    for name in names:
        path = study.output("flow", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_one_job_writes_all_layers(study: FilmStudy) -> None:
    (job,) = jobs(study)
    assert (job.name, layers(job)) == ("features_films_flow", LAYERS)
    assert set(job.inputs) == {"receipt"}
    assert job.gpu == 0
    assert job.place("log/{dataset}/{space}/{layer}.log") == "log/films/flow/flow.log"
    write(study, *LAYERS)
    assert jobs(study) == [job]


def test_layers_that_are_added_are_a_job_of_their_own(study: FilmStudy) -> None:
    write(study, "flow", "camera")
    there, added = jobs(study)
    assert (there.name, layers(there)) == ("features_films_flow_layers_1_4", ["flow", "camera"])
    assert (added.name, layers(added)) == ("features_films_flow_layers_2_3", LAYERS[1:3])
    assert there.place("{layer}") != added.place("{layer}")


def test_a_job_finds_its_layers_whatever_lies_on_the_disk(study: FilmStudy) -> None:
    """Its process parses the Snakefile when its files are gone, or other jobs have written some."""
    plain = jobs(study)
    write(study, "flow", "camera")
    there, added = jobs(study)
    for written in ([], LAYERS[:2], LAYERS):
        for name in LAYERS:
            study.output("flow", name).unlink(missing_ok=True)
        write(study, *written)
        assert jobs(study, "features_films_flow") == plain
        for job in (there, added):
            assert job in jobs(study, job.name)
            # As a module of another workflow, rules have a prefix.
            assert job in jobs(study, f"tristream_{job.name}")
        assert jobs(study, there.name, added.name) == [there, added]


def test_names_of_rules_are_distinct(study: FilmStudy) -> None:
    """Dataset `films` with space `a_b`, and no other pair, has the name."""
    block = {"stream": "nuisance", "extractor": "colour"}
    study.write_config({"a": block, "a_b": block, "b": block})
    names = [job.name for job in jobs(study)]
    assert names == ["features_films_a", "features_films_a_b", "features_films_b"]


def test_rules_that_a_process_was_started_for() -> None:
    assert running_rules(["snakemake", "--cores", "2"]) == set()
    argv = ["--cores", "1", "--target-jobs", "features_a_b:", "align:dataset=a,layer=b", "--force"]
    assert running_rules(argv) == {"features_a_b", "align"}


def test_a_gpu_is_asked_for_where_the_extractor_can_use_it(study: FilmStudy) -> None:
    flow = {"stream": "dorsal", "extractor": "optical_flow"}
    net = {"stream": "ventral", "extractor": "efficientnet_lite0"}
    study.write_config(
        {"flow": flow, "ifnet": {**flow, "options": {"method": "ifnet"}}, "net": net}
    )
    path = study.folder / "config.yaml"
    path.write_text(path.read_text().replace("device: cpu", "device: cuda"))
    assert {job.space: job.gpu for job in jobs(study)} == {"flow": 0, "ifnet": 1, "net": 1}
    resolved = study.resolved()
    devices = {name: settings_of(resolved, "films", name).device for name in ("flow", "net")}
    assert devices == {"flow": "cpu", "net": "cuda"}


def test_settings_hold_neither_layers_nor_stream(study: FilmStudy) -> None:
    before = settings_of(study.resolved(), "films", "flow")
    flow = {"stream": "ventral", "extractor": "optical_flow", "layers": ["camera"]}
    study.write_config({"flow": flow})
    assert settings_of(study.resolved(), "films", "flow") == before
    study.write_config({"flow": {**flow, "options": {"fps": 6}}})
    assert settings_of(study.resolved(), "films", "flow") != before


def test_labels_do_not_depend_on_films(study: FilmStudy) -> None:
    study.write_config({"labels": {"stream": "label", "extractor": "labels"}})
    assert settings_of(study.resolved(), "films", "labels").stimuli == []
    (job,) = jobs(study)
    assert set(job.inputs) == {"inventory"}
