"""Training on brain and label finds what labels alone don't ask for, and nothing where none is."""

import numpy as np
import pytest
import torch
from torch import nn

from tristream.encode.brain_and_label import REGIMES, BrainAndLabelNetwork
from tristream.encode.regime_figure import draw_regimes
from tristream.encode.regimes import column_correlation, compare_regimes
from tristream.errors import UserError

N, COLUMNS, VOXELS, RUNS = 480, 20, 30, 6
RUN = np.repeat(np.arange(RUNS), N // RUNS)
HOW = {"label_epochs": 6, "epochs": 12, "learning_rate": 1e-2, "batch": 40, "device": "cpu"}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


class Small(nn.Module):
    """A few units between stimulus and label, too few to hold all of the stimulus."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(COLUMNS, 24), nn.Linear(24, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        middle = torch.relu(self.second(torch.relu(self.first(x))))
        return {"middle": middle, "scores": self.head(middle)}


def small(**how):
    torch.manual_seed(0)
    return BrainAndLabelNetwork(Small(), layers=("middle",), **{**HOW, **how})


def planted(signal=1.0, seed=0):
    """Voxels follow what the label is made of, and another direction that it says nothing of."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, COLUMNS))
    ways = np.linalg.qr(rng.standard_normal((COLUMNS, 2)))[0]
    hidden = x @ ways
    labels = np.where(hidden[:, 0] > 0, "face", "house")
    y = signal * np.tanh(hidden) @ rng.standard_normal((2, VOXELS))
    return x, labels, y + rng.standard_normal((N, VOXELS))


def compared(y, seeds=3):
    x, labels, _ = planted()
    return compare_regimes(small(), x, labels, y, RUN, test=[5], seeds=seeds)


@pytest.fixture(scope="module")
def found():
    return compared(planted()[2])


def test_training_together_predicts_the_brain_of_held_out_runs_better(found):
    print(found.summary)
    for regime in ("staged", "joint"):
        row = found.summary.loc[regime]
        assert row["brain_gain"] > 0.05
        assert row["brain_gain"] > 4 * row["brain_gain_se"]
        # The label is not given up for it.
        assert row["label"] > 0.85
    assert found.summary.loc["frozen", "brain"] > 0.2
    assert found.chance == 0.5


def test_no_regime_finds_a_brain_that_does_not_answer():
    r = {"frozen": [], "joint": []}
    held = RUN == 5
    for seed in range(4):
        x, labels, y = planted(0.0, seed)
        for regime, values in r.items():
            network = small(regime=regime, seed=seed)
            network.fit(x[~held], labels[~held], y[~held], RUN[~held])
            assert (network.predict_label(x[held]) == labels[held]).mean() > 0.75
            values.append(np.nanmean(column_correlation(network.predict(x[held]), y[held])))
    print(r)
    # A voxel's r has a standard error of .11 over 80 samples; four sets of 30 voxels.
    for values in r.values():
        assert abs(np.mean(values)) < 4 * 0.11 / 120**0.5
    assert abs(np.subtract(r["joint"], r["frozen"]).mean()) < 0.04


def test_numbers_are_those_of_the_scores(found):
    joint = found.scores.query("regime == 'joint'")
    assert found.summary.loc["joint", "brain"] == pytest.approx(joint["brain"].mean())
    expected = joint["brain"].std(ddof=1) / 3**0.5
    assert found.summary.loc["joint", "brain_se"] == pytest.approx(expected)
    np.testing.assert_allclose(np.nanmean(found.correlation["joint"], 1), joint["brain"])
    x, _, y = planted()
    held = RUN == 5
    r = column_correlation(found.networks["joint"].predict(x[held]), y[held])
    np.testing.assert_allclose(r, found.correlation["joint"][0], atol=1e-6)
    predicted = found.networks["joint"].predict(x[held])
    assert r[3] == pytest.approx(np.corrcoef(predicted[:, 3], y[held][:, 3])[0, 1])
    assert np.isnan(column_correlation(np.ones((5, 1)), np.arange(5.0)[:, None]))


def test_regimes_of_a_seed_begin_where_labels_alone_led(found):
    networks = found.networks
    frozen, staged, joint = (networks[name] for name in REGIMES)
    assert frozen.left_out_ == staged.left_out_ == joint.left_out_
    for one, other in zip(
        frozen.label_network_.parameters(), joint.first_.network.parameters(), strict=True
    ):
        torch.testing.assert_close(one, other)
    # Staged begins with the frozen network's readout, joint with none.
    first = [one.curve_[0]["validation_brain"] for one in (staged, joint)]
    assert first[0] < first[1] - 0.02
    assert first[1] == pytest.approx(1, abs=0.15)


def test_seeds_reproduce_and_held_out_responses_lend_nothing(found):
    x, _, y = planted()
    y[RUN == 5] = 1e3
    other = compared(y, seeds=2)
    pairs = [(other.networks[name], found.networks[name]) for name in REGIMES]
    for one, before in pairs:
        np.testing.assert_array_equal(one.predict(x), before.predict(x))
    assert other.embedding.equals(found.embedding)
    columns = ["label", "best_epoch", "left_out"]
    assert other.scores[columns].equals(found.scores[columns][: len(other.scores)])


def test_items_of_held_out_runs_are_not_learnt_from():
    x, labels, y, run = (one[::10] for one in (*planted(), RUN))
    items = np.arange(len(x))
    items[:4] = items[-4:]
    predicted = []
    for value in (1e3, -1e3):
        y[:4] = value
        quick = small(label_epochs=1, epochs=1)
        own = compare_regimes(quick, x, labels, y, run, test=[5], items=items, seeds=2)
        predicted.append(own.networks["joint"].predict(x))
        # Eight held-out samples.
        assert own.embedding is None
        assert len(draw_regimes(own).axes) == 2
    np.testing.assert_array_equal(*predicted)
    # Fewer regimes leave the others as they are.
    few = {"regimes": ["joint", "frozen"], "seeds": 2}
    fewer = compare_regimes(quick, x, labels, y, run, test=[5], items=items, **few)
    assert list(fewer.summary.index) == ["frozen", "joint"]
    np.testing.assert_array_equal(fewer.correlation["joint"], own.correlation["joint"])
    assert len(draw_regimes(fewer).axes) == 2


def test_figure_has_all_regimes(found, tmp_path):
    figure = draw_regimes(found)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[0] == "3 seeds, mean ± SE"
    assert {f"after: {regime} (t-SNE)" for regime in REGIMES} < set(titles)
    figure.savefig(tmp_path / "regimes.png")
    assert (tmp_path / "regimes.png").stat().st_size > 10_000
    with pytest.raises(UserError, match="sample: 900"):
        draw_regimes(found, sample=900)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"test": []}, "test: name the runs"),
        ({"test": [9]}, "there is no run 9; there are 0, 1, 2"),
        ({"test": [0], "seeds": 1}, "seeds: 1"),
        ({"test": [0], "regimes": ["joint"]}, "`frozen` is not among them"),
        ({"test": range(6)}, "no sample is left to learn from"),
        ({"test": range(5)}, "runs: there is one"),
        ({"test": [0], "items": np.zeros(N)}, "no sample is left to learn from"),
    ],
)
def test_what_can_not_be_compared_is_refused(how, message):
    x, labels, y = planted()
    with pytest.raises(UserError, match=message):
        compare_regimes(small(), x, labels, y, RUN, **how)


def test_a_label_of_held_out_runs_alone_is_refused():
    x, labels, y = planted()
    labels = np.where(RUN == 5, "shoe", labels)
    with pytest.raises(UserError, match="'shoe' is in held-out runs alone"):
        compare_regimes(small(), x, labels, y, RUN, test=[5])
