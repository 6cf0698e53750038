"""Power analyses against known answers: ceilings, error rates, chance, the study's own encoder."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from helpers.inference_settings import planning
from helpers.power_designs import LABELS, block, write_events
from tristream.config.models import Alphas, EncodingModel
from tristream.encode.fit import fit_encoding
from tristream.encode.fit_inputs import Inputs, Run
from tristream.inference.moved_predictions import MovedPredictions
from tristream.inference.permutation import exchange_of_runs
from tristream.power.answer import answers, is_liberal, needed
from tristream.power.design import read_design
from tristream.power.detection import Analysis
from tristream.power.encoder import fit_encoder
from tristream.power.power_analysis import averaged_ceiling, interval, run_power, wilson
from tristream.power.voxel_responses import Responses
from tristream.store import Provenance, create_h5, open_h5, read_table, write_strings

QUICK = {"permutations": 200}


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    return write_events(tmp_path_factory.mktemp("design"))


@dataclass(frozen=True)
class Held(Run):
    """A run of the workflow's encoder whose BOLD is in memory."""

    values: np.ndarray = field(default_factory=lambda: np.empty(0))

    def bold(self, rows, voxels=slice(None)):
        return self.values[rows, voxels]


@dataclass(frozen=True)
class HeldInputs(Inputs):
    """Inputs of the workflow's encoder whose features are in memory."""

    held: dict = field(default_factory=dict)

    def features(self, label):
        return self.held


def test_predictions_are_those_of_the_workflow(events):
    settings = block(events, voxels=20, realisations=2)
    design = read_design("x", settings)
    responses = Responses(design, settings, [0.0, 0.4])
    runs = [*design.train, *(group[0] for group in design.test)]
    bold = {run.name: responses.bold(run, 0) for run in runs}
    model = EncodingModel(
        datasets=[],
        bands={"labels": ["labels"]},
        delays=["1-4 TR"],
        alphas=Alphas(lowest=-2, highest=5, number=8),
        candidates=1,
    )
    held = {
        run.name: Held(
            path=events,
            volumes=len(run.time),
            rows=run.rows,
            projection=run.projection,
            unit=run.unit,
            item=np.zeros(len(run.time), int),
            shows=np.zeros(len(run.time), int),
            stimulated=np.ones(len(run.time), bool),
            split="train" if run in design.train else "test",
            repeat=run.name,
            values=bold[run.name],
        )
        for run in runs
    }
    voxels = bold[runs[0].name].shape[1]
    inputs = HeldInputs(
        runs=held,
        layout={"labels": [["labels/identity"]]},
        files={},
        ijk=np.zeros((voxels, 3), np.int32),
        affine=np.eye(4),
        shape=np.array([voxels, 1, 1]),
        tr=design.tr,
        start_time=1.0,
        simulated=True,
        control="none",
        held={run.name: run.features[0] for run in runs},
        items=("labels/identity",),
    )
    theirs, _, _ = fit_encoding(inputs, model, "cpu")
    ours = fit_encoder(
        design.train,
        [bold[run.name][run.rows] for run in design.train],
        [group[0] for group in design.test],
        [1, 2, 3, 4],
        np.logspace(-2, 5, 8),
    )
    expected = theirs.tests[runs[-1].name].prediction
    assert ours.solver == "primal"
    np.testing.assert_allclose(ours.predictions[0], expected, atol=2e-3 * expected.std())


def test_r_reaches_the_ceiling_with_plenty_of_data(events):
    settings = block(events, effects=[0.3, 0.7], runs=[12], repeats=[1, 4], realisations=3)
    grid = Analysis(read_design("x", settings), planning(settings, **QUICK)).run()
    r = grid.r.mean(-1)[1:, 0]
    for row, effect in enumerate(settings.effects):
        for column, repeats in enumerate(settings.repeats):
            ceiling = averaged_ceiling(effect, repeats)
            assert 0.9 * ceiling < r[row, column] < 1.03 * ceiling


def test_power_rises_with_effect_and_runs(events):
    changes = {"runs": [0.5, 2], "repeats": [1, 2], "realisations": 8, "subjects": [8]}
    settings = block(events, effects=[0.2, 0.3, 0.4], voxels=120, simulated=60, **changes)
    grid = Analysis(read_design("x", settings), planning(settings, **QUICK)).run()
    power = grid.power.mean(-1)
    assert (np.diff(power, axis=0) >= 0).all()
    assert (np.diff(power[1:], axis=1) >= 0).all()
    assert power[-1].min() > 0.5 > 0.05 > power[0].max()
    assert (np.diff(grid.r[1:].mean(-1), axis=1) > 0).all()
    assert (np.diff(grid.r[1:].mean(-1), axis=2) > 0).all()
    assert grid.group_power[1:].mean() > grid.power[1:].mean()
    assert grid.group_false.mean() < 0.05


def test_noise_is_found_as_seldom_as_the_test_allows(events):
    settings = block(events, voxels=300, realisations=4, autocorrelation=0.0, driven=0.1)
    grid = Analysis(read_design("x", settings), planning(settings, permutations=500)).run()
    assert grid.power[0].mean() <= 0.05
    assert grid.false[0].mean() <= 0.05
    assert wilson("rate", "rate", grid.false_p[0, 0, 0], grid.silent)["rate_low"] <= 0.05


@pytest.mark.parametrize("pause", [0.0, 8.0])
@pytest.mark.parametrize("autocorrelation", [0.0, 0.5, 0.9])
def test_the_test_keeps_its_level_whatever_the_noise(tmp_path, pause, autocorrelation):
    folder = write_events(tmp_path, pause=pause)
    settings = block(
        folder, voxels=200, driven=0.05, autocorrelation=autocorrelation, realisations=8
    )
    grid = Analysis(read_design("x", settings), planning(settings, **QUICK)).run()
    # Tuning and order are one draw: over orders the rate at .05 varies by .02 and less.
    assert grid.false_p[0].mean() < 0.07


def test_a_liberal_test_is_recognised(tmp_path, monkeypatch):
    """Pieces of the prediction take the end of the answer to the label before along."""
    folder = write_events(tmp_path, pause=0.0)
    settings = block(folder, voxels=200, driven=0.05, autocorrelation=0.9)
    assert not is_liberal(run_power(planning(settings, **QUICK), tmp_path / "x.h5"))

    def moved_predictions(self, runs, fitted):
        return MovedPredictions(runs, exchange_of_runs(runs, "block"), self._test.seed)

    monkeypatch.setattr(Analysis, "_null", moved_predictions)
    assert is_liberal(run_power(planning(settings, **QUICK), tmp_path / "y.h5"))


def test_a_decoder_is_at_chance_without_an_effect_and_right_with_a_large_one(events):
    settings = block(events, effects=[0.9], permutations=100)
    grid = Analysis(read_design("x", settings), planning(settings, **QUICK)).run()
    assert np.abs(grid.chance - 1 / len(LABELS)).max() < 0.03
    assert abs(grid.accuracy[0].mean() - 1 / len(LABELS)) < 0.1
    assert grid.accuracy[1].min() > 0.9
    assert grid.p[1].max() < 0.05


def test_the_files_say_what_was_found(events, tmp_path):
    settings = block(events, subjects=[8])
    tables = [run_power(planning(settings, **QUICK), tmp_path / f"{n}.h5") for n in (1, 2)]
    pd.testing.assert_frame_equal(*tables)
    table, provenance = read_table(tmp_path / "1.tsv", "power")
    assert provenance.simulated
    assert set(table["subjects"]) == {1, 8}
    with open_h5(tmp_path / "1.h5", "power") as (file, provenance):
        assert provenance.simulated
        assert file["power"].shape == (2, 1, 1, 4)
        (row,) = table[(table["subjects"] == 1) & (table["effect"] == 0.4)].to_dict("records")
        assert row["power"] == pytest.approx(file["power"][1].mean(), abs=1e-5)
        assert row["ceiling"] == 0.4


def test_aligned_features_make_a_design_of_time(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "layer.h5"
    film = {f"task-film_run-{n}": rng.standard_normal((150, 6)) for n in range(1, 5)}
    film["task-film_run-5"] = film["task-film_run-4"]
    with create_h5(path, Provenance("aligned", False, methods=("Made by a test.",))) as file:
        file.attrs.update(space="s", layer="l", stream="ventral", sampling="timed", tr=2.0)
        write_strings(file, "names", [str(n) for n in range(6)])
        for run, values in film.items():
            smooth = np.cumsum(values, axis=0)
            file[f"runs/{run}"] = (smooth - smooth.mean(0)).astype(np.float32)
            file[f"times/{run}"] = 1.0 + 2.0 * np.arange(150)
    content = {"aligned": [str(path)], "events": [], "test": ["*run-[45]"], "tr": None}
    settings = block(write_events(tmp_path / "e"), **content, effects=[0.5])
    design = read_design("x", settings)
    assert [len(group) for group in design.test] == [2]
    table = run_power(planning(settings, **QUICK), tmp_path / "x.h5")
    (row,) = table[table["effect"] == 0.5].to_dict("records")
    assert row["ceiling"] == pytest.approx(averaged_ceiling(0.5, 2), abs=1e-4)
    assert 0.85 * row["ceiling"] < row["r"] < 1.05 * row["ceiling"]
    assert np.isnan(row["accuracy"])


@pytest.mark.parametrize(
    ("power", "answer"),
    [
        ([0.2, 0.6, 1.0], "10 training runs (between 60% with 8 and 100% with 12)"),
        ([0.1, 0.2, 0.3], "more than 12 training runs (power 30% with 12)"),
        ([0.9, 1.0, 1.0], "4 training runs or fewer (power 90% with 4)"),
        # What was enough by luck is not.
        ([0.85, 0.7, 0.9], "10 training runs (between 70% with 8 and 90% with 12)"),
    ],
)
def test_how_many_runs_are_enough(power, answer):
    assert needed(np.array([4, 8, 12]), np.array(power)) == answer


def test_each_effect_has_its_answer():
    rows = [(1, e, n, 1, e * n / 2) for e in (0.0, 0.1, 0.2) for n in (4, 8)]
    columns = ["subjects", "effect", "training_runs", "repeats", "power"]
    lines = answers(pd.DataFrame(rows, columns=columns))
    assert [line.split(":")[0] for line in lines] == [
        "80% power at a ceiling r of 0.1",
        "80% power at a ceiling r of 0.2",
    ]


def test_intervals():
    # Newcombe (1998): 0 of 20 and 15 of 148.
    none = wilson("x", "x", np.zeros(2), 10)
    assert (none["x_low"], none["x_high"]) == pytest.approx((0.0, 0.1611), abs=1e-4)
    some = wilson("x", "x", np.array([15 / 148]), 148)
    assert (some["x_low"], some["x_high"]) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    mean = interval("x", "x", np.array([0.0, 0.2, 0.4]))
    assert mean["x_high"] - mean["x"] == pytest.approx(4.3027 * 0.2 / np.sqrt(3), abs=1e-4)
