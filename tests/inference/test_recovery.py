"""Recovery checks on predictions whose quality is known, good and bad."""

import numpy as np
import pytest
from scipy import signal

from helpers import truths
from helpers.inference_settings import recovering
from tristream.encode.encoding_file import Encoding, Fitted, HeldOut, Scores, write_encoding
from tristream.encode.prediction_scores import correlation, split_r2
from tristream.inference.block_estimates import Blocks, estimate
from tristream.inference.recovery import check_recovery
from tristream.store import Provenance, read_table

BANDS = ["ventral", "dorsal", "auditory", "nuisance"]
REGIONS = ["ventral", "dorsal", "auditory", "dorsal+auditory", "unmodelled", "none"]
EACH = 40
VOLUMES = 145
SETTINGS = recovering(permutations=300)


def slow(rng, shape):
    return signal.lfilter(np.hanning(7), [1], rng.standard_normal(shape), axis=-2)


def together(rng, volumes, voxels):
    """Noise that neighbours share, autocorrelated."""
    shared = rng.standard_normal((volumes, voxels + 10))
    shared = np.stack([shared[:, i : i + voxels] for i in range(10)]).sum(0) / np.sqrt(10)
    return signal.lfilter([1], [1, -0.5], shared, axis=0) * np.sqrt(1 - 0.25)


class Simulation:
    """BOLD of six regions, and predictions of any quality."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.streams = np.repeat(REGIONS, EACH)
        voxels = len(self.streams)
        self.parts = slow(self.rng, (VOLUMES, len(BANDS) * voxels))
        self.parts /= self.parts.std(0)
        self.parts = self.parts.reshape(VOLUMES, len(BANDS), voxels).transpose(1, 0, 2)
        self.drive = np.array(
            [[band in s.split("+") for s in self.streams] for band in BANDS], float
        )
        self.drive /= np.sqrt(np.maximum(self.drive.sum(0), 1))
        truth = (self.parts * self.drive[:, None]).sum(0)
        truth += slow(self.rng, truth.shape) * (self.streams == "unmodelled") * 0.3
        self.y = truth + 1.2 * together(self.rng, VOLUMES, voxels)
        self.ceiling = np.where(self.streams == "none", 0.0, 0.64)

    def write(
        self,
        path,
        name,
        quality=0.9,
        mix=None,
        control="none",
        streams=None,
        shared=False,
        subject="01",
    ):
        """An encoding whose bands hold `quality` of their signal; `mix` confuses bands."""
        error = slow(self.rng, (len(BANDS), VOLUMES, 1 if shared else len(self.streams)))
        error = error + np.zeros(self.parts.shape)
        error /= error.std(1, keepdims=True)
        drive = self.drive if mix is None else np.einsum("ab,bv->av", mix, self.drive)
        signal_ = self.parts if mix is None else np.einsum("ab,btv->atv", mix, self.parts)
        used = quality * signal_ + np.sqrt(1 - quality**2) * error
        silent = 0.15 * (self.drive.sum(0) == 0)
        parts = 0.4 * used * (drive + silent)[:, None] + 0.04 * error if quality else 0.1 * error
        unit = HeldOut(
            parts.sum(0),
            parts,
            self.y,
            np.minimum(np.arange(VOLUMES) // 20, 6),
            ("test",),
            np.ones((4, 1)),
            np.ones(1),
            np.zeros((VOLUMES, 0)),
            np.zeros(VOLUMES, int),
            np.arange(VOLUMES),
        )
        split = split_r2(unit.y, parts)
        voxels = len(self.streams)
        encoding = Encoding(
            bands=BANDS,
            ijk=self.ijk,
            affine=np.eye(4),
            shape=np.array([voxels] * 3),
            tests={"clip": unit},
            scores=Scores(correlation(unit.y, unit.prediction), split.sum(0), split),
            ceiling=None,
            fitted=Fitted(
                np.ones((4, voxels)) / 4, *np.ones((2, voxels)), np.zeros(voxels), {}, 0.0,
            ),
            about={
                "model": name,
                "scheme": "holdout",
                "subject": subject,
                "control": control,
                "layout": {b: [[f"{streams or b}/{b}"]] for b in BANDS},
                "streams": {b: [streams or b] for b in BANDS},
            },
        )  # fmt: skip
        write_encoding(
            path, encoding, Provenance("encoding", simulated=True, methods=("Made by a test.",))
        )
        return path

    @property
    def ijk(self):
        return np.stack([np.arange(len(self.streams))] * 3, 1).astype(np.int32)

    def truth(self, path):
        # In another order than the encoding's, and with a voxel that it lacks.
        order = np.random.default_rng(1).permutation(len(self.streams))
        truth = truths.voxel_truth(
            np.vstack([self.ijk[order], [[-1, -1, -1]]]),
            [*self.streams[order], "ventral"],
            np.append(self.ceiling[order], 0.9),
        )
        return truths.write(path, {"01": truth, "02": truth})


def table_of(folder, simulation, **model):
    """The checks for a model of some quality, with an oracle and a control that are as hoped."""
    shifted = model.pop("shifted", {"quality": 0.0})
    paths = [
        simulation.write(folder / "streams.h5", "streams", **model),
        simulation.write(folder / "oracle.h5", "oracle", quality=0.98, streams="truth"),
        simulation.write(folder / "shifted.h5", "shifted", control="shifted", **shifted),
    ]
    output = folder / "recovery.tsv"
    check_recovery(simulation.truth(folder / "truth.h5"), paths, SETTINGS, output)
    table, provenance = read_table(output, "recovery")
    assert provenance.simulated
    assert list(table) == ["subject", "check", "value", "low", "high", "threshold", "passed"]
    return table.set_index("check")


def passed(table):
    return table["passed"].dropna().astype(str).eq("True")


def test_a_good_model_passes_every_check(tmp_path):
    table = table_of(tmp_path, Simulation())
    assert passed(table).all(), table
    assert len(passed(table)) == 7
    assert table.loc["winning stream right", "value"] > 0.9
    # The interval of the control's winners is that of chance, not of the estimate.
    finite = table[["low", "value", "high"]].drop("shifted: winning stream right")
    assert (finite["low"] <= finite["value"]).all()
    assert (finite["value"] <= finite["high"]).all()
    assert table.loc["test r", "value"] > 0.4


def test_confused_streams_fail_the_winner_but_not_the_accuracy(tmp_path):
    """Ventral and dorsal features change places."""
    mix = np.eye(4)[[1, 0, 2, 3]]
    table = table_of(tmp_path, Simulation(), mix=mix)
    met = passed(table)
    assert not met["winning stream right / oracle"]
    assert met["test r / oracle"]
    assert not met["split R² of dorsal in voxels of dorsal and auditory"]
    assert met["split R² of auditory in voxels of dorsal and auditory"]


def test_a_weak_model_fails_the_accuracy(tmp_path):
    table = table_of(tmp_path, Simulation(), quality=0.4)
    assert not passed(table)["test r / oracle"]


def test_a_control_that_predicts_fails_both_of_its_checks(tmp_path):
    met = passed(table_of(tmp_path, Simulation(), shifted={"quality": 0.5}))
    assert not met["shifted: mean test r"]
    assert not met["shifted: winning stream right"]


@pytest.mark.parametrize(("second", "expected"), [(0.9, True), (0.1, False)])
def test_the_study_is_judged_by_the_mean_over_its_subjects(tmp_path, second, expected):
    paths = []
    for subject, quality in (("01", 0.5), ("02", second)):
        simulation = Simulation(int(subject))
        for name, model in {
            "streams": {"quality": quality},
            "oracle": {"quality": 0.98, "streams": "truth"},
            "shifted": {"quality": 0.0, "control": "shifted"},
        }.items():
            path = tmp_path / f"{name}_{subject}.h5"
            paths.append(simulation.write(path, name, subject=subject, **model))
    output = tmp_path / "recovery.tsv"
    check_recovery(simulation.truth(tmp_path / "truth.h5"), paths, SETTINGS, output)
    table, _ = read_table(output, "recovery")
    assert list(table["subject"].unique()) == ["01", "02", "all"]
    assert table[table["subject"] != "all"]["passed"].isna().all()
    own, other, everyone = (
        table[table["subject"] == s].set_index("check") for s in ("01", "02", "all")
    )
    for check in ("test r", "winning stream right", "shifted: mean test r"):
        mean = (own.loc[check, "value"] + other.loc[check, "value"]) / 2
        assert everyone.loc[check, "value"] == pytest.approx(mean)
    assert own.loc["test r / oracle", "value"] < 0.65
    assert passed(everyone)["test r / oracle"] == expected
    assert passed(everyone)["shifted: mean test r"]


def test_predictions_that_know_the_noise_are_rejected_too_often(tmp_path):
    simulation = Simulation()
    simulation.parts += 0.6 * (simulation.y * (simulation.streams == "none"))[None]
    table = table_of(tmp_path, simulation)
    row = table.loc["rejected at p < 0.05 where there is no signal"]
    assert row["value"] > 0.2
    assert row["passed"] == "False"


def test_without_oracle_or_control_the_table_says_so(tmp_path):
    simulation = Simulation()
    path = simulation.write(tmp_path / "streams.h5", "streams")
    truth = simulation.truth(tmp_path / "truth.h5")
    check_recovery(truth, [path], SETTINGS, tmp_path / "recovery.tsv")
    table, provenance = read_table(tmp_path / "recovery.tsv", "recovery")
    assert len(table) == 3
    assert [o.what for o in provenance.omitted] == [
        "sub-01: comparison with the oracle",
        "sub-01: shifted control",
    ]


def test_control_checks_hold_their_error_rate_over_simulations(tmp_path):
    """All voxels share one prediction: a standard error over voxels would be far too small."""
    r, winners = [], []
    for seed in range(20):
        simulation = Simulation(seed)
        path = simulation.write(
            tmp_path / "shifted.h5", "shifted", quality=0.0, control="shifted", shared=True
        )
        other = simulation.write(tmp_path / "streams.h5", "streams")
        settings = recovering(permutations=60)
        truth = simulation.truth(tmp_path / "truth.h5")
        check_recovery(truth, [other, path], settings, tmp_path / "recovery.tsv")
        table, _ = read_table(tmp_path / "recovery.tsv", "recovery")
        met = passed(table.set_index("check"))
        r.append(met["shifted: mean test r"])
        winners.append(met["shifted: winning stream right"])
    assert np.mean(r) > 0.8
    assert np.mean(winners) > 0.8


def test_block_sums_give_the_scores_and_intervals_cover():
    simulation = Simulation()
    rng = simulation.rng
    unit = np.minimum(np.arange(VOLUMES) // 20, 6)
    covered = []
    for _ in range(200):
        parts = rng.standard_normal((2, VOLUMES, 5))
        y = 0.3 * parts.sum(0) + rng.standard_normal((VOLUMES, 1))
        hyper = parts[:, 0], y[0], y[:, :0]
        own = Blocks([HeldOut(parts.sum(0), parts, y, unit, ("a",), *hyper, unit, unit)])
        assert own.whole.correlation == pytest.approx(correlation(y, parts.sum(0)))
        assert own.whole.split_r2 == pytest.approx(split_r2(y, parts))
        found = estimate(lambda sums: sums.correlation.mean(), own)
        expected = 0.6 / np.sqrt(0.18 + 1) / np.sqrt(2)
        covered.append(found.low <= expected <= found.high)
    assert np.mean(covered) > 0.88
