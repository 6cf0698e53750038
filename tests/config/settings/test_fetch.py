"""What is fetched is fetched again for another source, and for no other reason."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers import REPOSITORY
from tristream.config.load import Resolved, resolve
from tristream.config.settings.base import Settings
from tristream.config.settings.fetch import (
    FetchDatasetSettings,
    FetchStimuliSettings,
    FetchSubjectSettings,
)
from tristream.config.settings.simulate import FetchAtlasSettings, SimulateSettings
from tristream.features.core.weights_settings import FetchWeightsSettings

DATASET, SUBJECT, STIMULI, WEIGHTS = (
    FetchDatasetSettings,
    FetchSubjectSettings,
    FetchStimuliSettings,
    FetchWeightsSettings,
)
TARGETS = {
    DATASET: {"dataset": "ds003720"},
    SUBJECT: {"dataset": "ds003720", "subject": "001"},
    STIMULI: {"dataset": "ds003720"},
    WEIGHTS: {"space": "musicnn"},
}


def study(folder: Path, **changes: Any) -> Resolved:
    (folder / "gtzan").mkdir(exist_ok=True)
    choice = {"stimuli": str(folder / "gtzan"), **changes.pop("choice", {})}
    content = {
        "data": "data",
        "datasets": {"ds003720": choice},
        "features": {"musicnn": {"stream": "auditory", "extractor": "musicnn", "layers": ["cnn3"]}},
        **changes,
    }
    return resolve(content, Path("config.yaml"), [REPOSITORY / "workflow/datasets"])


def described(resolved: Resolved, **update: Any) -> Resolved:
    dataset = resolved.datasets["ds003720"].model_copy(update=update)
    return Resolved(resolved.study, {"ds003720": dataset}, resolved.subjects)


def paths(resolved: Resolved, folder: Path) -> dict[type[Settings], str]:
    return {kind: kind.of(resolved, **which).write(folder) for kind, which in TARGETS.items()}


NOTHING: set[type[Settings]] = set()
CHANGES: list[tuple[Callable[[Path], Resolved], set[type[Settings]]]] = [
    (lambda f: study(f, title="Another", inference={"permutations": 99}), NOTHING),
    (lambda f: described(study(f), title="T", citation="C", credit="D", licence="L"), NOTHING),
    (lambda f: study(f, choice={"subjects": ["001", "002"]}), NOTHING),
    (lambda f: study(f, data="elsewhere"), {DATASET, SUBJECT, STIMULI, WEIGHTS}),
    (lambda f: study(f, choice={"source": {"url": "/mirror"}}), {DATASET, SUBJECT}),
    (lambda f: study(f, choice={"derivatives": {"url": "/mirror"}}), {DATASET, SUBJECT}),
    (lambda f: study(f, choice={"accept": {"x": f"md5:{32 * '0'}"}}), {DATASET, SUBJECT}),
    (lambda f: study(f, choice={"runs": ["task-T*"]}), NOTHING),
    (lambda f: study(f, choice={"runs": ["task-Training_*", "task-Test_run-01"]}), {SUBJECT}),
    (lambda f: study(f, choice={"layout": {"kind": "raw"}}), {DATASET, SUBJECT}),
    (lambda f: study(f, choice={"missing_stimuli": "drop"}), {STIMULI}),
    (lambda f: study(f, choice={"stimuli": "osf:qxcu8"}), {STIMULI}),
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_a_change_is_fetched_again_by_whom_it_concerns(number: int, tmp_path: Path) -> None:
    change, concerned = CHANGES[number]
    before, after = paths(study(tmp_path), tmp_path), paths(change(tmp_path), tmp_path)
    assert {kind for kind in TARGETS if before[kind] != after[kind]} == concerned


def test_where_stimuli_can_be_had_reaches_messages_and_reruns_nothing(tmp_path: Path) -> None:
    first = study(tmp_path)
    stimuli = first.datasets["ds003720"].stimuli.model_copy(update={"get": "ask me"})
    before, after = (
        STIMULI.of(one, **TARGETS[STIMULI]).write(tmp_path)
        for one in (first, described(first, stimuli=stimuli))
    )
    assert before == after
    assert STIMULI.read(after).get == "ask me"
    assert "get" not in STIMULI.read(after).key()


def test_the_simulator_reads_what_changes_its_data(tmp_path: Path) -> None:
    content = {"datasets": {"bunny": {}}}
    resolved = resolve(content, Path("config.yaml"), [REPOSITORY / "workflow/datasets"])
    dataset = resolved.datasets["bunny"]
    first = SimulateSettings.of(resolved, dataset="bunny")
    read = SimulateSettings.read(first.write(tmp_path))
    assert read.key() == first.key()
    # What is random is drawn stream by stream.
    assert list(read.preset.streams) == list(first.preset.streams)
    assert list(read.preset.streams) != sorted(first.preset.streams)
    for update, same in (
        ({"title": "T", "citation": "C", "licence": "L", "missing": {"01": ["task-test_*"]}}, True),
        ({"tr": 2.0}, False),
        ({"runs": dataset.runs[:-1]}, False),
    ):
        other = SimulateSettings.of_dataset(dataset.model_copy(update=update), first.preset)
        assert (other.key() == first.key()) is same, update
    atlas = FetchAtlasSettings.of(resolved, preset="bunny")
    assert atlas.source == first.preset.atlas
    # The simulated dataset enters as a DataLad dataset, and its receipt names the preset.
    fetched = DATASET.of(resolved, dataset="bunny")
    assert fetched.source.kind == "datalad"
    assert fetched.stated_source == {"kind": "simulate", "preset": "bunny"}
