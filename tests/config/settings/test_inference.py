"""What changes the key of a test, a map or a power analysis, and what does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers import REPOSITORY
from tristream.config.load import Resolved, resolve
from tristream.config.settings.inference import (
    CompareSettings,
    GroupSettings,
    InferenceSettings,
    PartitionTestSettings,
)
from tristream.config.settings.maps import ContrastMapsSettings, DataSettings, MapsSettings
from tristream.config.settings.power import PowerSettings
from tristream.config.settings.recovery import RecoverySettings
from tristream.config.settings.simulate import SimulateSettings
from tristream.errors import UserError
from tristream.simulate import preset

BUNNY = {"dataset": "bunny", "model": "streams", "subject": "01"}
JOBS: dict[str, tuple[Any, dict[str, str]]] = {
    "inference": (InferenceSettings, {"dataset": "bunny"}),
    "compare": (CompareSettings, {"dataset": "bunny"}),
    "partition test": (PartitionTestSettings, {}),
    "group": (GroupSettings, {"dataset": "bunny"}),
    "recovery": (RecoverySettings, {"dataset": "bunny"}),
    "maps": (MapsSettings, BUNNY),
    "maps of a control": (MapsSettings, {**BUNNY, "model": "shifted"}),
    "contrast maps": (ContrastMapsSettings, {"contrast": "loud", "dataset": "bunny"}),
    "strict contrast maps": (ContrastMapsSettings, {"contrast": "strict", "dataset": "bunny"}),
    "power": (PowerSettings, {"name": "plan"}),
    "downloads": (DataSettings, {}),
}


def study() -> dict[str, Any]:
    content = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    content["power"] = {"plan": {"events": "a.tsv", "test": "a", "tr": 2}}
    loud = {"datasets": ["bunny"], "plus": ["a"]}
    content["contrasts"] = {"loud": loud, "strict": {**loud, "threshold": 3.0}}
    return content


def resolved(content: dict[str, Any]) -> Resolved:
    return resolve(content, Path("config.yaml"), [REPOSITORY / "workflow/datasets"])


def keys(of: Resolved) -> dict[str, dict[str, Any]]:
    return {
        name: kind.of(of, **{"subject": "01", **targets} if "maps" in name else targets).key()
        for name, (kind, targets) in JOBS.items()
    }


def inference(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["inference"].update(changes)


TESTS = {"inference", "compare", "partition test", "group", "recovery", "power"}
CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], set[str]]] = {
    "title": (lambda c: c.update(title="Another"), set()),
    "results": (lambda c: c.update(results="elsewhere"), set()),
    "data": (lambda c: c.update(data="elsewhere"), {"downloads"}),
    "device": (lambda c: c.update(device="cpu"), set()),
    "permutations": (inference(permutations=50), TESTS),
    "seed": (inference(seed=5), TESTS),
    "rate": (
        inference(fdr=0.01),
        {"inference", "compare", "partition test", "group", "power", "contrast maps"},
    ),
    "procedure": (inference(procedure="by"), TESTS - {"recovery"}),
    "null": (inference(null="shift"), {"inference"}),
    "limit of permutations": (inference(most_permutations=50), TESTS - {"recovery"}),
    "clusters": (inference(spatial=["tfce"], cluster_z=2.3), {"inference"}),
    "comparisons": (inference(comparisons=[]), set()),
    "regions": (inference(regions=False), set()),
    "stream of a space": (
        lambda c: c["features"]["flow"].update(stream="nuisance"),
        set(),  # the band's first space decides
    ),
    "stream of a band": (
        lambda c: c["features"]["motion_energy"].update(stream="nuisance"),
        {"maps", "maps of a control"},
    ),
    "stream of the oracle": (
        lambda c: c["features"]["latents"].update(stream="ventral"),
        {"recovery"},
    ),
    "layers": (lambda c: c["features"]["efficientnet"].update(layers=["head"]), set()),
    "penalties": (lambda c: c["models"]["streams"]["alphas"].update(number=9), set()),
    "control": (
        lambda c: c["models"]["shifted"].update(control="none"),
        {"maps of a control"},
    ),
    "threshold": (
        lambda c: c["contrasts"]["strict"].update(threshold=4.0),
        {"strict contrast maps"},
    ),
    "effects": (lambda c: c["power"]["plan"].update(effects=[0.2]), {"power"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_key_of_the_study_changes_what_reads_it(change):
    edit, expected = CHANGES[change]
    content = study()
    before = keys(resolved(study()))
    edit(content)
    after = keys(resolved(content))
    assert {name for name in before if before[name] != after[name]} == expected


@pytest.mark.parametrize("key", ["title", "citation", "licence", "credit", "tr"])
def test_a_corrected_descriptor_changes_nothing(key):
    one, other = resolved(study()), resolved(study())
    value = 1.5 if key == "tr" else "corrected"
    other.datasets["bunny"] = other.datasets["bunny"].model_copy(update={key: value})
    assert keys(one) == keys(other)


def test_settings_are_read_back_as_they_were_written(tmp_path):
    for name, (kind, targets) in JOBS.items():
        whole = {"subject": "01", **targets} if "maps" in name else targets
        given = kind.of(resolved(study()), **whole)
        assert kind.read(given.write(tmp_path)) == given


def test_thresholds_of_the_demo_stand_in_its_preset(monkeypatch, tmp_path):
    of = resolved(study())
    given = RecoverySettings.of(of, dataset="bunny")
    assert given.bands == ["ventral", "dorsal", "auditory"]
    assert given.oracles == ["oracle"]
    assert (given.thresholds.ceiling, given.thresholds.best_band) == (0.3, 0.85)
    assert given.thresholds.accuracy == 0.65
    simulated = SimulateSettings.of(of, dataset="bunny").key()
    text = (preset.FOLDER / "bunny.yaml").read_text()
    (tmp_path / "bunny.yaml").write_text(text.replace("accuracy: 0.65", "accuracy: 0.9"))
    monkeypatch.setattr(preset, "FOLDER", tmp_path)
    assert RecoverySettings.of(of, dataset="bunny").thresholds.accuracy == 0.9
    assert SimulateSettings.of(of, dataset="bunny").key() == simulated


def test_what_is_not_simulated_here_has_no_truth_to_recover():
    with pytest.raises(UserError, match="haxby2001_slice: is not simulated by this study"):
        RecoverySettings.of(resolved(study()), dataset="haxby2001_slice")


def test_a_task_that_runs_do_not_share_is_the_dataset():
    given = MapsSettings.of(
        resolved(study()), dataset="haxby2001_slice", model="category", subject="1"
    )
    assert given.task == "haxby2001slice"
    assert MapsSettings.of(resolved(study()), **BUNNY).task == "test"
