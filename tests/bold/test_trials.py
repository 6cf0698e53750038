"""Single trials: known betas come back, nilearn gives the same, repeats are never samples."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import make_first_level_design_matrix, run_glm
from scipy.stats import gamma

from helpers.bold_tree import bold_settings, receipt_of
from helpers.continuous_world import write_leakage
from helpers.event_tables import splits_of, timelines_of
from helpers.feature_files import write_features
from helpers.spm_tree import RUNS, dataset, write_spm
from tristream.align.aligned import align_features, read_aligned
from tristream.align.resample import Piece, mean_over
from tristream.align.samples import read_samples, write_samples
from tristream.bold.cleaning import clean, projection_basis
from tristream.bold.high_pass import high_pass_cosines
from tristream.bold.prepare import prepare_run
from tristream.bold.run_file import Run, read_run
from tristream.bold.trials import as_trials, trial_design, window_weights
from tristream.config.dataset import Dataset
from tristream.config.decoders import Decoder
from tristream.config.models import EncodingModel
from tristream.config.runs import Exchange
from tristream.config.settings.align import AlignSettings, SamplesSettings
from tristream.config.trials import Trials
from tristream.decode.decoding_samples import read_samples as read_decoded
from tristream.encode.fit_inputs import read_inputs
from tristream.errors import UserError
from tristream.stimuli.tables import inventory_table
from tristream.stimuli.timelines import Event
from tristream.store import Provenance, write_table

TR, VOLUMES, VOXELS = 2.0, 240, 30
TIME = TR * (np.arange(VOLUMES) + 0.5)
LEVEL = 800.0


def event(onset: float, item: str, duration: float = 4.0, keep: bool = True) -> Event:
    return Event(onset, duration, item, "label", item, keep=keep, label=item)


def events(gap: float = 15.0) -> list[Event]:
    """Thirty trials; every tenth is followed by its repeat, which is no sample."""
    out, onset = [], 10.0
    for n in range(27):
        out.append(event(onset, f"i{n}"))
        onset += gap
        if n % 9 == 4:
            out.append(event(onset, f"i{n}", keep=False))
            onset += gap
    return out


def response(onset: float, duration: float) -> np.ndarray:
    """SPM's response to a boxcar, on a fine grid of the test's own."""
    step = 0.05
    fine = np.arange(0, TR * (VOLUMES + 1), step)
    t = np.arange(0, 32, step)
    hrf = gamma.pdf(t, 6) - gamma.pdf(t, 16) / 6
    shown = ((fine >= onset) & (fine < onset + duration)).astype(float)
    return np.interp(TIME, fine, np.convolve(shown, hrf / hrf.sum())[: len(fine)])


def world(shown: list[Event], noise: float, seed: int = 0) -> tuple[Run, np.ndarray]:
    """A run whose trials have known responses (% of the mean), with drift and noise."""
    rng = np.random.default_rng(seed)
    betas = rng.normal(0, 1, (len(shown), VOXELS)) + 1
    for n, one in enumerate(shown):
        if not one.keep:
            betas[n] = 5  # a response that would spoil its neighbours if it were forgotten
    change = np.sum(
        [np.outer(response(e.onset, e.duration), b) for e, b in zip(shown, betas, strict=True)], 0
    )
    drift = np.outer(np.cos(np.pi * np.arange(VOLUMES) / VOLUMES), rng.normal(0, 5, VOXELS))
    raw = LEVEL * (1 + (change + drift + noise * rng.normal(size=change.shape)) / 100)
    return cleaned(raw), betas


def cleaned(raw: np.ndarray, censor: np.ndarray | None = None) -> Run:
    censor = np.zeros(VOLUMES, bool) if censor is None else censor
    basis = projection_basis(VOLUMES, high_pass_cosines(TIME, 128), censor)
    level = np.full(VOXELS, LEVEL, np.float32)
    return Run(
        subject="01",
        run="task-see_run-01",
        space="native",
        tr=TR,
        start_time=TR / 2,
        time=TIME,
        bold=clean(raw.astype(np.float32), basis, censor, level),
        ijk=np.stack([np.arange(VOXELS)] * 3, axis=1).astype(np.int32),
        affine=np.eye(4),
        shape=(VOXELS,) * 3,
        confounds=np.empty((VOLUMES, 0)),
        confound_names=(),
        projection=basis,
        censor=censor,
        mean=level,
        tsnr=level,
        fd=np.full(VOLUMES, np.nan),
        constant=0,
        simulated=True,
        methods=("Made by a test.",),
    )


def kept(shown: list[Event]) -> np.ndarray:
    return np.array([e.keep for e in shown])


@pytest.mark.parametrize("estimate", ["lsa", "lss"])
def test_known_betas_come_back_in_percent(estimate: str) -> None:
    shown = events()
    run, betas = world(shown, noise=0.01)
    found = as_trials(run, shown, Trials(estimate=estimate))
    assert found.bold.shape == (27, VOXELS)
    wanted = betas[kept(shown)]
    # The shared regressor of LSS draws trials towards their neighbours; LSA is exact.
    if estimate == "lsa":
        np.testing.assert_allclose(found.bold, wanted, atol=0.12)
    assert np.corrcoef(found.bold.ravel(), wanted.ravel())[0, 1] > 0.95
    assert np.polyfit(wanted.ravel(), found.bold.ravel(), 1)[0] == pytest.approx(1, abs=0.1)


def test_the_shifted_window_follows_the_betas() -> None:
    shown = events()
    run, betas = world(shown, noise=0.05)
    found = as_trials(run, shown, Trials(estimate="mean", shift=4, window=4))
    assert np.corrcoef(found.bold.ravel(), betas[kept(shown)].ravel())[0, 1] > 0.85


def test_crowded_noisy_trials_are_better_told_by_lss() -> None:
    shown = events(gap=6.0)
    run, betas = world(shown, noise=1.0)
    wanted = betas[kept(shown)].ravel()
    r = {
        name: np.corrcoef(as_trials(run, shown, Trials(estimate=name)).bold.ravel(), wanted)[0, 1]
        for name in ("lsa", "lss")
    }
    assert r["lss"] > 0.3
    assert r["lsa"] > 0.3


def test_an_ill_conditioned_model_of_all_trials_is_told(capsys) -> None:
    """Trials 0.9 s apart leave nothing to estimate one by one, and the way out is named."""
    crowded = [event(20.0 + 0.9 * n, f"t{n}", 0.5) for n in range(40)]
    apart = [event(20.0 + 6 * n, f"t{n}", 0.5) for n in range(6)]
    for shown, told in ((crowded, True), (apart, False)):
        run, _ = world(shown, noise=0.5)
        found = as_trials(run, shown, Trials(estimate="lsa"))
        assert any("lss" in omission.why for omission in found.omitted) == told
        assert ("condition number" in capsys.readouterr().err) == told
        assert not as_trials(run, shown, Trials(estimate="lss")).omitted


def test_the_way_out_of_an_ill_conditioned_model_finds_what_is_there(capsys) -> None:
    """Trials 2 s apart at a TR of 2 s."""
    shown = [event(20.0 + 2 * n, f"t{n}", 0.5) for n in range(100)]
    run, betas = world(shown, noise=0.5)
    r = {}
    for name in ("lsa", "lss"):
        found = as_trials(run, shown, Trials(estimate=name)).bold
        r[name] = np.median(
            [np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, betas.T, strict=True)]
        )
        assert ("condition number" in capsys.readouterr().err) == (name == "lsa")
    assert r["lsa"] < 0.1
    assert r["lss"] > 0.15


def test_a_repeat_that_is_left_out_of_the_model_spoils_its_neighbours() -> None:
    shown = events(gap=8.0)
    run, betas = world(shown, noise=0.01)
    wanted = betas[kept(shown)]
    whole = as_trials(run, shown, Trials(estimate="lsa")).bold
    without = as_trials(run, [e for e in shown if e.keep], Trials(estimate="lsa")).bold
    assert np.abs(whole - wanted).mean() < np.abs(without - wanted).mean() / 5


@pytest.mark.parametrize("estimate", ["lsa", "lss"])
def test_estimates_equal_nilearns_models(estimate: str) -> None:
    shown = events(gap=7.0)
    rng = np.random.default_rng(1)
    raw = LEVEL + rng.normal(0, 10, (VOLUMES, VOXELS))
    found = as_trials(cleaned(raw), shown, Trials(estimate=estimate, hrf="glover")).bold
    samples = [n for n, e in enumerate(shown) if e.keep]
    for row, n in list(enumerate(samples))[::6]:
        if estimate == "lss":
            names = ["this" if m == n else "rest" if e.keep else "no" for m, e in enumerate(shown)]
        else:
            names = [f"t{m}" if e.keep else "no" for m, e in enumerate(shown)]
        table = pd.DataFrame(
            {
                "onset": [e.onset for e in shown],
                "duration": [e.duration for e in shown],
                "trial_type": names,
            }
        )
        design = make_first_level_design_matrix(
            TIME,
            table,
            hrf_model="glover",
            drift_model="cosine",
            high_pass=1 / 128,
            add_regs=np.linspace(-1, 1, VOLUMES)[:, None],
            add_reg_names=["trend"],
        )
        labels, results = run_glm(raw, design.to_numpy(), noise_model="ols")
        column = list(design.columns).index("this" if estimate == "lss" else f"t{n}")
        beta = results[labels[0]].theta[column]
        np.testing.assert_allclose(found[row], 100 * beta / LEVEL, rtol=1e-3, atol=1e-3)


def test_object_decodings_window_is_the_trial_one_volume_later() -> None:
    time = 3.0 * (np.arange(178) + 0.5)
    trials = [event(33.0, "a", 9.0), event(42.0, "b", 9.0)]
    weights = window_weights(time, np.zeros(178, bool), trials, 3.0, None)
    assert [np.flatnonzero(row).tolist() for row in weights] == [[12, 13, 14], [15, 16, 17]]
    np.testing.assert_allclose(weights[weights > 0], 1 / 3)


@pytest.mark.parametrize("estimate", ["mean", "lsa", "lss"])
def test_trials_in_censored_volumes_carry_no_data(estimate: str) -> None:
    shown = events()
    censor = np.zeros(VOLUMES, bool)
    first = next(e for e in shown if e.keep)
    censor[(first.onset - 2 < TIME) & (first.onset + 60 > TIME)] = True
    raw = LEVEL + np.random.default_rng(2).normal(0, 5, (VOLUMES, VOXELS))
    found = as_trials(cleaned(raw, censor), shown, Trials(estimate=estimate))
    assert found.censor[0]
    assert not found.bold[0].any()
    assert not found.censor[6:].any()
    assert np.isfinite(found.bold).all()
    with pytest.raises(UserError, match="no trial lies within uncensored volumes"):
        as_trials(
            replace(
                found,
                time=TIME,
                projection=np.eye(VOLUMES),
                censor=censor | True,
                bold=np.zeros((VOLUMES, VOXELS)),
            ),
            shown,
            Trials(estimate=estimate),
        )


def test_repeats_are_averaged_on_request() -> None:
    shown = [event(10 + 20 * n, "ab"[n % 2]) for n in range(10)]
    run, _ = world(shown, noise=0.1)
    single = as_trials(run, shown, Trials(estimate="lsa"))
    mean = as_trials(run, shown, Trials(estimate="lsa", average_repeats="run"))
    assert mean.trials is not None
    assert mean.trials.averaged.tolist() == [5, 5]
    assert mean.time.tolist() == [10, 30]
    np.testing.assert_allclose(mean.bold[0], single.bold[::2].mean(axis=0), atol=1e-5)


def test_scaling_by_the_run_is_a_z_score_over_its_trials() -> None:
    shown = events()
    run, _ = world(shown, noise=0.1)
    found = as_trials(run, shown, Trials(estimate="mean", scale="run"))
    np.testing.assert_allclose(found.bold.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found.bold.std(axis=0, ddof=1), 1, atol=1e-5)
    np.testing.assert_allclose(found.projection.T @ found.projection, 1)
    # Otherwise the level that a run's trials share stays: what imagery lacks against perception.
    left = as_trials(run, shown, Trials(estimate="mean"))
    assert left.projection.shape == (27, 0)
    assert abs(left.bold.mean()) > 0.05


def test_other_events_share_a_regressor_by_their_length() -> None:
    others = [event(5, "x", 3, False), event(50, "y", 3, False), event(70, "z", 15, False)]
    design = trial_design(TIME, [event(20, "a"), event(33, "b")], others, "spm")
    assert design.shape == (VOLUMES, 4)
    assert (design[:6, 2] > 0).any()
    assert not design[: int(70 / TR), 3].any()


def test_features_of_a_film_are_averaged_over_the_event() -> None:
    times = np.arange(0.5, 30, 1.0)
    piece = Piece(np.stack([times, times**0], 1).astype("f4"), times, 100.0, 10.0, 5.0)
    np.testing.assert_allclose(mean_over(piece), [10.0, 1.0], rtol=1e-6)


def write_study(folder: Path, **trials: Any) -> tuple[Dataset, list[Path]]:
    """Two runs with one-backs, prepared as trials, and the tables of the stimuli stage."""
    root = write_spm(folder / "raw")
    items = ["a", "b", "b", "c", "d", "d", "e", "f", "g"]
    for run in RUNS:
        func = root / "sub-01" / run.split("_")[0] / "func"
        rows = "".join(f"{9 + 36 * n}\t9\t{item}\n" for n, item in enumerate(items))
        (func / f"sub-01_{run}_events.tsv").write_text(f"onset\tduration\ttrial_type\n{rows}")
    content = {**dataset().model_dump(), "events": {"one_back": True}, "trials": trials}
    study = Dataset.model_validate(content)
    receipt = receipt_of(root)
    receipt.write(folder / "receipt.json")
    bold = [folder / f"{run}.h5" for run in RUNS]
    for run, path in zip(RUNS, bold, strict=True):
        prepare_run(bold_settings(study, "01"), run, folder / "receipt.json", path)
    timelines = timelines_of(study, ["01"], receipt)
    quiet = Provenance("inventory", False)
    write_table(folder / "inventory.tsv", inventory_table(timelines, Exchange(unit="item")), quiet)
    splits = splits_of(study, ["01"], timelines)
    write_table(folder / "splits.tsv", splits, replace(quiet, kind="splits"))
    write_leakage(folder, [])
    tables = [folder / f"{name}.tsv" for name in ("inventory", "splits", "leakage")]
    write_samples(
        SamplesSettings.from_descriptor(study, "01"), *tables, bold, folder / "samples.tsv"
    )
    path, items = folder / "features.h5", list("abcdefg")
    write_features(path, "letters/identity", items=items, values=np.eye(7), names=items)
    chosen = AlignSettings.from_descriptor(study, "01")
    align_features(chosen, path, tables[0], bold, folder / "aligned.h5")
    return study, bold


def test_from_events_to_samples_and_features(tmp_path: Path) -> None:
    _, bold = write_study(tmp_path, estimate="lss")
    run = read_run(bold[0])
    assert run.trials is not None
    assert (run.trials.estimate, run.trials.scale) == ("lss", "training")
    assert run.n_volumes == 7
    assert set(run.regions) == {"V1", "V2", "VC"}
    table, _ = read_samples(tmp_path / "samples.tsv")
    mine = table[table["run"] == RUNS[0]]
    # The repeats (the second b and d) are nowhere.
    assert mine["item"].tolist() == list("abcdefg")
    assert mine["label"].tolist() == list("abcdefg")
    assert mine["time"].tolist() == [9, 45, 117, 153, 225, 261, 297]
    assert mine["keep"].all()
    assert mine["unit"].nunique() == 7
    assert table["session"].tolist() == ["a"] * 7 + ["b"] * 7
    assert table["presentation"].tolist() == [1] * 7 + [2] * 7
    assert table["split"].tolist() == ["train"] * 7 + ["test"] * 7
    np.testing.assert_array_equal(read_aligned(tmp_path / "aligned.h5")[RUNS[0]], np.eye(7))


def test_models_and_decoders_of_trials(tmp_path: Path) -> None:
    _, bold = write_study(tmp_path, estimate="mean")
    files = ([tmp_path / "aligned.h5"], bold, tmp_path / "samples.tsv")
    model = EncodingModel(datasets=["small"], bands={"letters": ["letters"]})
    with pytest.raises(UserError, match=r"rows are trials.* `delays: \[0\]`"):
        read_inputs(model, *files)
    inputs = read_inputs(model.model_copy(update={"delays": ["0 s"]}), *files)
    assert [len(run.rows) for run in inputs.runs.values()] == [7, 7]
    decoder = Decoder(datasets=["small"], kind="ridge", samples="volumes")
    with pytest.raises(UserError, match="scaled by training trials"):
        read_decoded(bold, tmp_path / "samples.tsv", decoder, "block")
    decoder = decoder.model_copy(update={"standardize": "training"})
    found = read_decoded(bold, tmp_path / "samples.tsv", decoder, "block")
    assert found.x.shape == (14, 52)
    with pytest.raises(UserError, match="delay: 0"):
        read_decoded(bold, files[2], decoder.model_copy(update={"delay": "3 s"}), "block")


def test_trials_of_other_events_are_noticed(tmp_path: Path) -> None:
    study, bold = write_study(tmp_path, estimate="mean")
    path = tmp_path / "inventory.tsv"
    table = pd.read_csv(path, sep="\t")
    write_table(path, table.assign(onset=table["onset"] + 1), Provenance("inventory", False))
    tables = [tmp_path / f"{name}.tsv" for name in ("inventory", "splits", "leakage")]
    with pytest.raises(UserError, match="its trial at 9 s is not in the inventory"):
        write_samples(
            SamplesSettings.from_descriptor(study, "01"), *tables, bold, tmp_path / "samples.tsv"
        )


def test_a_run_without_trials() -> None:
    run, _ = world(events(), noise=1.0)
    with pytest.raises(UserError, match="no event is a sample"):
        as_trials(run, [replace(e, keep=False) for e in events()], Trials(estimate="mean"))


def test_events_that_outlast_the_bold() -> None:
    run, _ = world(events(), noise=1.0)
    late = [*events(), event(480, "late", 9.0)]
    with pytest.raises(UserError, match=r"events last until 489.00 s, but the BOLD ends at 480.00"):
        as_trials(run, late, Trials(estimate="mean"))
    as_trials(run, late, Trials(estimate="mean"), trimmed=4)
