"""Single trials of a rapid design: what is true comes back, and test runs choose nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from helpers import rapid_world
from helpers.bold_tree import bold_settings
from helpers.rapid_world import RESPONDING, TEST, TRAINING, RapidWorld
from helpers.run_claims import check_claims
from tristream.bold import trial_choices
from tristream.bold.cleaning import project_out, projection_basis
from tristream.bold.prepare import prepare_chosen, prepare_volumes
from tristream.bold.run_file import Run, read_run
from tristream.bold.single_trials import doubts_of_design, without_rest
from tristream.bold.trial_choices import components_of
from tristream.bold.trial_fit import Design, TrialFit
from tristream.bold.trial_model import DEALT_OUT, choose_model
from tristream.bold.trial_model_file import TrialModel, read_model
from tristream.bold.trials import as_trials
from tristream.config.settings.bold import TrialModelSettings
from tristream.config.trials import Trials
from tristream.errors import UserError
from tristream.report.references import keys_of, library
from tristream.stimuli.timelines import Event

DOUBTS = {"rest between trials", "well-determined trials", "repeated items"}


def chosen(folder: Path, world: RapidWorld, **changes: Any) -> TrialModel:
    """What training runs choose; volumes and trials of all runs are written, too."""
    dataset = world.dataset(**changes)
    world.write(folder / "raw").write(folder / "receipt.json")
    about = bold_settings(dataset, "01")
    for run in dataset.runs:
        prepare_volumes(about, run, folder / "receipt.json", volumes_of(folder, run))
    settings = TrialModelSettings.of_dataset(dataset, "01")
    files = [volumes_of(folder, run) for run in settings.training]
    choose_model(settings, files, folder / "receipt.json", folder / "model.h5")
    for run in dataset.runs:
        receipt, output = folder / "receipt.json", folder / f"{run}.h5"
        prepare_chosen(about, volumes_of(folder, run), folder / "model.h5", receipt, output)
    return read_model(folder / "model.h5")


def volumes_of(folder: Path, run: str) -> Path:
    return folder / f"{run}_volumes.h5"


@pytest.fixture(scope="module")
def world() -> RapidWorld:
    return RapidWorld()


@pytest.fixture(scope="module")
def made(world: RapidWorld, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrialModel]:
    folder = tmp_path_factory.mktemp("rapid")
    return folder, chosen(folder, world)


def agreement(found: np.ndarray, true: np.ndarray) -> float:
    """Median over responding voxels of the correlation with the true responses."""
    pairs = zip(found.T[:RESPONDING], true.T[:RESPONDING], strict=True)
    return float(np.median([np.corrcoef(a, b)[0, 1] for a, b in pairs]))


def true_designs(world: RapidWorld, run: Run) -> list[Design]:
    """Designs under each voxel's true response."""
    grid = rapid_world.STEP * np.arange(len(world.responses))
    lag = world.time[:, None] - world.onsets
    return [
        Design(
            project_out(np.interp(lag, grid, response, left=0, right=0), run.projection),
            np.zeros((len(world.time), 0)),
        )
        for response in world.responses.T
    ]


def oracle(world: RapidWorld, run: Run, model: TrialModel, noise: np.ndarray) -> np.ndarray:
    """Estimates under each voxel's true response, with the same components and penalties."""
    found = np.zeros((len(world.onsets), run.bold.shape[1]))
    for voxel, design in enumerate(true_designs(world, run)):
        fit = TrialFit(design, noise)
        solved = fit.solve(fit.products(run.bold[:, [voxel]]), noise.shape[1])
        found[:, voxel] = solved.estimates(model.choices.penalty[voxel])[:, 0]
    return found


def test_nine_tenths_of_what_true_responses_would_give(
    world: RapidWorld, made: tuple[Path, TrialModel]
) -> None:
    """Of training runs, and of a test run that chose nothing; one model of all finds half of it."""
    folder, model = made
    for name in (TRAINING[0], *TEST):
        run, true = read_run(volumes_of(folder, name)), world.betas[name]
        noise = components_of(
            lambda voxels, run=run: run.bold[:, voxels],
            model.choices.pool,
            model.choices.components,
        )
        found = agreement(read_run(folder / f"{name}.h5").bold, true)
        assert found > 0.9 * agreement(oracle(world, run, model, noise), true)
        assert found > 0.65
    shown = [Event(onset, rapid_world.SHOWN, "x", "", "x") for onset in world.onsets]
    assert agreement(as_trials(run, shown, Trials(estimate="lsa")).bold, true) < 0.55


def test_voxels_that_do_not_respond_are_shortened_most(made: tuple[Path, TrialModel]) -> None:
    chosen = made[1].choices
    assert np.median(chosen.fraction[:RESPONDING]) > 2 * np.median(chosen.fraction[RESPONDING:])
    assert chosen.pool[RESPONDING:].mean() > 0.7
    assert chosen.pool[:RESPONDING].mean() < 0.2
    assert 1 <= chosen.components <= 4  # two sources of noise are in all voxels


def test_the_run_file_says_what_was_done(made: tuple[Path, TrialModel]) -> None:
    folder, model = made
    run = read_run(folder / f"{TEST[0]}.h5")
    check_claims(run, rapid_world.VOLUMES)
    text = " ".join(run.methods)
    assert set(keys_of(text)) <= set(library().entries)
    assert {"prince2022", "rokem2020"} <= set(keys_of(text))
    assert f"{model.choices.components} of up to 10 principal components" in text
    assert f"({model.choices.pool.sum()} bright voxels" in text
    assert f"(median {np.median(model.choices.fraction):.2f})" in text
    assert f"the {len(TRAINING)} training runs" in text
    assert not {omission.what for omission in run.omitted} & DOUBTS
    assert read_run(volumes_of(folder, TEST[0])).percent


def test_training_runs_alone_choose(world: RapidWorld, made: tuple[Path, TrialModel]) -> None:
    folder, _ = made
    settings = TrialModelSettings.of_dataset(world.dataset(), "01")
    assert settings.training == TRAINING
    files = [volumes_of(folder, run) for run in [*TRAINING, *TEST]]
    with pytest.raises(UserError, match=r"has training runs .* but was given .*ses-b"):
        choose_model(settings, files, folder / "receipt.json", folder / "other.h5")
    assert not (folder / "other.h5").exists()
    with pytest.raises(ValidationError, match="glmsingle needs `scheme: holdout`"):
        world.dataset(split={"scheme": "leave-one-run-out"})


def test_chunks_of_voxels_change_nothing(
    made: tuple[Path, TrialModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, model = made
    monkeypatch.setattr(trial_choices, "BLOCK", 50)
    settings = TrialModelSettings.of_dataset(RapidWorld().dataset(), "01")
    files = [volumes_of(folder, run) for run in TRAINING]
    choose_model(settings, files, folder / "receipt.json", tmp_path / "model.h5")
    again = read_model(tmp_path / "model.h5").choices
    for name in ("response", "pool", "fraction"):
        np.testing.assert_array_equal(getattr(again, name), getattr(model.choices, name))
    np.testing.assert_allclose(again.penalty, model.choices.penalty, rtol=1e-3)


def test_without_repeats_estimates_are_least_squares(tmp_path: Path) -> None:
    world = RapidWorld(repeated=0)
    model = chosen(tmp_path, world)
    assert model.choices.components == 0
    assert (model.choices.fraction == 1).all()
    assert not model.choices.penalty.any()
    run = read_run(tmp_path / f"{TEST[0]}.h5")
    (doubt,) = [omission for omission in run.omitted if omission.what == "repeated items"]
    assert "no item comes back in another training run" in doubt.why
    assert "nothing else was chosen" in " ".join(run.methods)
    assert "shortened" not in " ".join(run.methods)


@pytest.mark.parametrize("runs", [3, 1])
def test_test_trials_inside_every_run(world: RapidWorld, tmp_path: Path, runs: int) -> None:
    """They find what whole runs do; of one run, where nothing comes back, by least squares."""
    held_out = [f"again{n}" for n in range(8)]
    model = chosen(
        tmp_path,
        world,
        runs=TRAINING[:runs],
        parts={"items": {"trial_type": held_out}, "gap": 0.0},
        split={"scheme": "holdout", "test": ["*_part-test"]},
    )
    assert model.runs == runs
    assert DEALT_OUT in " ".join(model.methods)
    assert bool(model.omitted) == (runs == 1)
    for name in TRAINING[:runs]:
        tests = np.isin(world.items[name], held_out)
        for part, rows, least in (("test", tests, 0.65), ("train", ~tests, 0.5)):
            found = read_run(tmp_path / f"{name}_part-{part}.h5")
            np.testing.assert_allclose(found.time, world.onsets[rows])
            assert agreement(found.bold, world.betas[name][rows]) > least
            assert "events that are not samples were modelled, too" in " ".join(found.methods)


def test_designs_without_rest_are_told() -> None:
    """As ds001246: images of 9 s, one upon the other."""
    ends = [Event(33.0 + 9 * n, 9.0, "x", "", "x") for n in range(50)]
    assert without_rest(ends)
    assert not without_rest([Event(4.5 * n, 0.5, "x", "", "x") for n in range(50)])
    assert not without_rest([*ends[:20], *ends[22:]])


def test_a_model_of_other_voxels(made: tuple[Path, TrialModel], tmp_path: Path) -> None:
    folder, _ = made
    run = read_run(volumes_of(folder, TEST[0]))
    shown = [Event(20.0, 0.5, "x", "", "x"), Event(29.0, 0.5, "y", "", "y")]
    settings, cut = Trials(estimate="glmsingle"), replace(run, bold=run.bold[:, :60])
    with pytest.raises(UserError, match=r"is of 120 voxels, but .* has 60; delete it"):
        as_trials(cut, shown, settings, model=folder / "model.h5")
    (tmp_path / "model.h5").write_text("no model")
    with pytest.raises(UserError, match=r"model\.h5"):
        as_trials(run, shown, settings, model=tmp_path / "model.h5")


def test_crowded_designs_are_told(made: tuple[Path, TrialModel], capsys) -> None:
    folder, _ = made
    run = read_run(volumes_of(folder, TEST[0]))
    crowded = [Event(20.0 + 1.2 * n, 0.5, f"t{n}", "", f"t{n}") for n in range(90)]
    found = as_trials(run, crowded, Trials(estimate="glmsingle"), model=folder / "model.h5")
    assert DOUBTS - {"repeated items"} <= {omission.what for omission in found.omitted}
    assert "no rest of 1 s" in capsys.readouterr().err


def test_images_of_9_s_without_rest_are_told_before_any_image_is_read() -> None:
    """As in ds001246, at a TR of 3 s."""
    time = 3.0 * (np.arange(178) + 0.5)
    shown = [Event(33.0 + 9 * n, 9.0, f"t{n}", "", f"t{n}") for n in range(50)]
    doubts = doubts_of_design(time, projection_basis(178), shown, [])
    assert doubts[0].what == "rest between trials"
    rapid = [Event(6 + 4.5 * n, 0.5, f"t{n}", "", f"t{n}") for n in range(40)]
    assert not doubts_of_design(time, projection_basis(178), rapid, [])
