"""What a network of brain and label needs of a dataset is asked for before a job runs."""

import pytest
import yaml

from helpers import REPOSITORY, report_tree
from tristream.config.load import load
from tristream.config.settings.networks import NetworkSettings
from tristream.errors import UserError


def of(folder, dataset, **block):
    networks = {"seen": {"datasets": [dataset], "network": "two_stream", **block}}
    resolved = report_tree.read_study(report_tree.write_study(folder, networks=networks))
    subject = resolved.subjects[dataset][0]
    return NetworkSettings.of(resolved, dataset=dataset, network="seen", subject=subject)


def test_a_network_knows_the_stimuli_and_not_its_other_datasets(tmp_path):
    settings = of(tmp_path, "bunny", voxels=None)
    assert settings.block.voxels is None
    assert {one.kind for one in settings.stimuli} == {"film"}
    assert settings.timeline == "main"
    assert "datasets" not in settings.key()["block"]


def test_a_dataset_without_stimuli_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"networks.seen.datasets: haxby2001_slice has no stimuli"):
        of(tmp_path, "haxby2001_slice")


def test_a_dataset_without_held_out_runs_is_refused_unless_some_are_named(tmp_path):
    descriptor = yaml.safe_load((REPOSITORY / "workflow/datasets/bunny.yaml").read_text())
    descriptor["split"] = {"scheme": "leave-one-run-out"}
    (tmp_path / "own").mkdir()
    (tmp_path / "own/bunny.yaml").write_text(yaml.safe_dump(descriptor))
    for test, message in (([], "bunny has no held-out run"), (["task-test_*"], "")):
        block = {"datasets": ["bunny"], "network": "two_stream", "test": test}
        study = {"title": "t", "datasets": {"bunny": {}}, "networks": {"seen": block}}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(study))
        resolved = load(tmp_path / "config.yaml", tmp_path / "own")
        targets = {"dataset": "bunny", "network": "seen", "subject": "01"}
        if message:
            with pytest.raises(UserError, match=message):
                NetworkSettings.of(resolved, **targets)
        else:
            assert NetworkSettings.of(resolved, **targets).block.test == test


def test_gains_need_the_frozen_network(tmp_path):
    with pytest.raises(UserError, match="gains count from `frozen`; add it"):
        of(tmp_path, "bunny", regimes=["joint"])
