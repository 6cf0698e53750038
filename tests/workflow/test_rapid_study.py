"""Single trials that rest on training runs: their volumes, the choice, then each run's trials."""

from collections import Counter
from pathlib import Path

import yaml

from helpers.rapid_world import TEST, TRAINING, RapidWorld
from helpers.small_study import commands, run_here
from tristream.bold.run_file import read_run
from tristream.bold.trial_model_file import read_model


def test_training_runs_choose_once_a_subject(tmp_path: Path) -> None:
    world = RapidWorld()
    world.write(tmp_path / "raw")
    descriptor = world.dataset().model_dump(mode="json", exclude_unset=True)
    (tmp_path / "workflow/datasets").mkdir(parents=True)
    (tmp_path / "workflow/datasets/small.yaml").write_text(yaml.safe_dump(descriptor))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"datasets": ["small"]}))
    calls = commands(tmp_path, "results/bold/small/sub-01/index.json")
    runs = len([*TRAINING, *TEST])
    assert Counter(action for stage, action, *_ in calls if stage == "bold") == {
        "volumes": runs,
        "choose": 1,
        "prepare": runs,
        "index": 1,
    }
    (choice,) = [" ".join(call) for call in calls if call[1] == "choose"]
    assert all(run in choice for run in TRAINING)
    assert not any(run in choice for run in TEST)
    others = [call for call in calls if call[1] == "prepare" and TEST[0] not in call]
    run_here(tmp_path, [call for call in calls[:-1] if call not in others])
    run = read_run(tmp_path / f"results/bold/small/sub-01/{TEST[0]}.h5")
    assert run.trials is not None
    assert (run.trials.estimate, run.trials.scale) == ("glmsingle", "training")
    assert run.bold.shape == (len(world.onsets), world.bold[TEST[0]].shape[1])
    assert read_model(tmp_path / "results/trials/small/sub-01.h5").runs == len(TRAINING)
