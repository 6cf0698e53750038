"""Contrasts: nilearn's own models on the BOLD before cleaning are the reference."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.contrasts import compute_contrast, compute_fixed_effects
from nilearn.glm.first_level import FirstLevelModel, make_first_level_design_matrix, run_glm
from nilearn.glm.second_level import SecondLevelModel

from tristream.bold.cleaning import clean, projection_basis
from tristream.bold.run_file import Run, write_run
from tristream.config.contrast import Contrast
from tristream.config.runs import Exchange, Trims
from tristream.config.settings.contrast import ContrastSettings
from tristream.contrast.contrast_file import ContrastMap, read_contrast
from tristream.contrast.contrast_fit import fit_contrast, fit_run, fixed_effects, sentences
from tristream.contrast.contrast_regions import found, region_table
from tristream.contrast.design_matrix import OTHERS, carried, design
from tristream.stimuli.tables import write_inventory
from tristream.stimuli.timelines import Event
from tristream.store import Provenance

TR, VOLUMES, VOXELS = 2.0, 150, 40
TIME = TR * (np.arange(VOLUMES) + 0.5)
AUDIO = Contrast(datasets=["x"], plus=["a"], minus=["b"])


def event(onset: float, label: str, keep: bool = True, duration: float = 3.0) -> Event:
    return Event(onset, duration, label, "label", label, keep=keep, label=label)


EVENTS = [event(6.0 + 9.7 * n, "abc"[(n * n + n // 3) % 3], keep=n % 7 != 3) for n in range(29)]
TIMED = [(e.onset, e) for e in EVENTS]


def raw_bold() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """BOLD with autoregressive noise and drifts, confounds, and censored volumes."""
    rng = np.random.default_rng(0)
    white = rng.standard_normal((VOLUMES, VOXELS))
    noise = np.zeros_like(white)
    for n in range(1, VOLUMES):
        noise[n] = 0.4 * noise[n - 1] + white[n]
    responses, names = design(world(noise), TIMED, "spm")
    signal = np.outer(responses[:, names.index("a")], np.linspace(0, 3, VOXELS))
    confounds = np.cumsum(rng.standard_normal((VOLUMES, 3)), axis=0)
    bold = 500 + 20 * noise + 40 * signal + confounds @ rng.normal(0, 9, (3, VOXELS))
    censor = np.zeros(VOLUMES, bool)
    censor[[40, 41, 90]] = True
    return bold.astype(np.float32), confounds, censor


def world(bold: np.ndarray, **changes: object) -> Run:
    empty = Run(
        subject="01",
        run="r",
        space="native",
        tr=TR,
        start_time=TR / 2,
        time=TIME,
        bold=bold,
        ijk=np.argwhere(np.ones((VOXELS, 1, 1))).astype("i4"),
        affine=np.eye(4),
        shape=(VOXELS, 1, 1),
        confounds=np.empty((VOLUMES, 0)),
        confound_names=(),
        projection=projection_basis(VOLUMES),
        censor=np.zeros(VOLUMES, bool),
        mean=np.ones(VOXELS, "f4"),
        tsnr=np.ones(VOXELS, "f4"),
        fd=np.zeros(VOLUMES),
        constant=0,
        simulated=False,
        methods=("Made by a test.",),
    )
    return replace(empty, **changes)


@pytest.mark.parametrize("noise", ["ar1", "ols"])
def test_cleaned_bold_gives_what_nilearn_finds_before_cleaning(noise: str) -> None:
    raw, confounds, censor = raw_bold()
    basis = projection_basis(VOLUMES, confounds, censor)
    run = world(clean(raw.copy(), basis, censor), projection=basis, censor=censor)
    block = AUDIO.model_copy(update={"noise": noise})
    ours = fit_run(run, TIMED, block)
    table = pd.DataFrame(
        {
            "onset": [e.onset for e in EVENTS],
            "duration": 3.0,
            "trial_type": [e.label if e.keep else "others" for e in EVENTS],
        }
    )
    nuisance = np.column_stack([confounds, np.eye(VOLUMES)[:, censor]])
    theirs = make_first_level_design_matrix(
        TIME,
        table,
        hrf_model="spm",
        drift_model="polynomial",
        drift_order=1,
        add_regs=nuisance,
        add_reg_names=[f"n{k}" for k in range(nuisance.shape[1])],
    )
    weights = (theirs.columns == "a").astype(float) - (theirs.columns == "b")
    fitted = run_glm(raw.astype(float), theirs.to_numpy(), noise_model=noise)
    expected = compute_contrast(*fitted, weights, stat_type="t")
    assert ours is not None
    # Censored volumes are zero after cleaning; nilearn's binned AR coefficients differ a little.
    np.testing.assert_allclose(ours.stat(), expected.stat(), rtol=0.02, atol=0.05)
    assert ours.dof == pytest.approx(expected.dof)
    assert ours.stat().max() > 8


def test_events_that_are_no_samples_have_a_regressor_of_their_own() -> None:
    responses, names = design(world(np.zeros((VOLUMES, 1))), TIMED, "spm")
    assert names == ["a", "b", "c", OTHERS]
    assert responses.shape == (VOLUMES, 4)
    kept = [e for e in EVENTS if e.keep and e.label == "a"]
    assert responses[:, 0].sum() > 0
    instants, _ = design(world(np.zeros((VOLUMES, 1))), TIMED, "spm", 0.0)
    # An event of 3 s is three times as much as one of 1 s; an instant has nilearn's unit area.
    assert responses[:, 0].sum() / len(kept) == pytest.approx(3.0 / TR, rel=0.1)
    assert not np.allclose(instants[:, 0], responses[:, 0])


def test_parts_of_a_scan_know_the_events_just_before() -> None:
    events = {"p1": [event(10, "a"), event(58, "b")], "p2": [event(3, "a")]}
    timed = carried(["p1", "p2"], events, 60.0)
    assert [(onset, e.label) for onset, e in timed["p1"]] == [(10, "a"), (58, "b")]
    assert [(onset, e.label) for onset, e in timed["p2"]] == [(-2, "b"), (3, "a")]
    responses, names = design(world(np.zeros((VOLUMES, 1))), timed["p2"], "spm")
    assert responses[2, names.index("b")] > 0.1


def test_a_run_without_a_condition_has_no_contrast() -> None:
    run = world(np.zeros((VOLUMES, VOXELS), np.float32))
    assert fit_run(run, TIMED, AUDIO.model_copy(update={"minus": ["z"]})) is None


def result(t: np.ndarray) -> ContrastMap:
    empty = np.argwhere(np.ones((len(t), 1, 1))).astype("i4")
    regions = {"first": np.arange(10, dtype="i4"), "second": np.arange(10, 15, dtype="i4")}
    shape = (len(t), 1, 1)
    return ContrastMap(t, t, t, t, empty, np.eye(4), shape, regions, 100.0, ["r"], {"a": 3})


def test_counts_by_region() -> None:
    t = np.zeros(40, np.float32)
    t[:6], t[12], t[20] = 9.0, -10.0, 8.5
    table = region_table(result(t), found(result(t), 8.0, 0.05)).set_index("region")
    assert table["above"].to_dict() == {"all": 7, "first": 6, "second": 0, "none of these": 1}
    assert table["below"].to_dict() == {"all": 1, "first": 0, "second": 1, "none of these": 0}
    assert table.loc["second", "lowest_t"] == -10


def test_noise_alone_passes_no_false_discovery_rate_and_signal_does() -> None:
    rng = np.random.default_rng(1)
    t = rng.standard_normal(2000).astype(np.float32)
    nothing = found(result(t), None, 0.05)
    assert (nothing.above | nothing.below).sum() == 0
    assert np.isinf(nothing.threshold)
    t[:50] += 6
    some = found(result(t), None, 0.05)
    assert some.above[:50].mean() > 0.9
    assert some.above[50:].sum() <= 8
    assert "q < 0.05" in some.rule


def test_a_condition_on_both_sides_is_refused() -> None:
    with pytest.raises(ValueError, match="a stands in plus and in minus"):
        Contrast(datasets=["x"], plus=["a"], minus=["a", "b"])


def test_methods_say_what_was_modelled() -> None:
    text = " ".join(sentences(AUDIO, {"a", "b", "c", OTHERS}, 3))
    assert (
        "one regressor for each of a, b and c and one for all events that are not samples" in text
    )
    assert "3 runs were joined as fixed effects" in text
    assert "the effect is the mean over runs" in text
    alone = AUDIO.model_copy(update={"minus": [], "duration": 0.0, "noise": "ols"})
    text = " ".join(sentences(alone, {"a", "b"}, 1))
    assert "with the baseline was estimated" in text
    assert "Events as instants" in text
    assert "white noise" in text
    for lie in ("joined", "not samples", "autoregressive"):
        assert lie not in text


def test_methods_of_the_threshold_are_those_of_the_rule_that_was_used() -> None:
    t = np.zeros(40, np.float32)
    fixed, rate = found(result(t), 8.0, None), found(result(t), None, 0.05)
    assert fixed.methods == (
        "Voxels of the contrast count where |t| > 8, a threshold set beforehand.",
    )
    assert "false discovery rate of 0.05 over all voxels [@benjamini1995]" in rate.methods[0]


def image(values: np.ndarray) -> nib.Nifti1Image:
    """Voxels, and volumes last, in a row."""
    return nib.Nifti1Image(values.reshape(values.shape[0], 1, 1, *values.shape[1:]), np.eye(4))


def values_of(found: nib.Nifti1Image) -> np.ndarray:
    return np.asarray(found.dataobj).ravel()


MASK = image(np.ones(VOXELS, np.int8))


def made_runs(number: int, lacking: Sequence[int], voxels: int = VOXELS, seed: int = 0) -> dict:
    """Runs that answer `a` by 2, others by 0, with events of their own; some show no `b`."""
    rng = np.random.default_rng(seed)
    made = {}
    for n in range(number):
        labels = [str(one) for one in rng.permutation([*"abc"] * 8)]
        shown = [event(6.0 + 11.1 * k, one) for k, one in enumerate(labels)]
        shown = [e for e in shown if e.label != "b" or n not in lacking]
        timed = [(e.onset, e) for e in shown]
        responses, names = design(world(np.zeros((VOLUMES, 1))), timed, "spm")
        noise = rng.standard_normal((VOLUMES, voxels)) * (1 + n / 2)
        bold = 2.0 * responses[:, [names.index("a")]] + noise
        made[f"run-{n + 1}"] = (world(bold.astype("f4"), run=f"run-{n + 1}"), shown)
    return made


@pytest.mark.parametrize(("number", "lacking"), [(1, ()), (2, ()), (4, ()), (4, (1, 2))])
def test_runs_are_joined_as_nilearn_joins_them(
    tmp_path: Path, number: int, lacking: tuple[int, ...]
) -> None:
    made = made_runs(number, lacking)
    source = Provenance("inventory", True, methods=("Made by a test.",))
    events = {name: shown for name, (_, shown) in made.items()}
    write_inventory(tmp_path / "inventory.tsv", {"all": events}, Exchange(unit="item"), (), source)
    for name, (run, _) in made.items():
        write_run(tmp_path / f"{name}.h5", run, {})
    settings = ContrastSettings(
        dataset="x",
        subject="01",
        contrast="c",
        block=AUDIO,
        timeline="all",
        absent=[],
        trims=Trims(),
        part=None,
    )
    bold = [tmp_path / f"{name}.h5" for name in made]
    fit_contrast(settings, tmp_path / "inventory.tsv", bold, tmp_path / "contrast.h5")
    ours = read_contrast(tmp_path / "contrast.h5")
    assert len(ours.runs) == number - len(lacking)

    images, designs, weights = [], [], []
    for n, (run, shown) in enumerate(made.values()):
        responses, names = design(run, [(e.onset, e) for e in shown], "spm")
        whole = np.concatenate([responses, run.projection], axis=1)
        designs.append(pd.DataFrame(whole, columns=[f"c{k}" for k in range(whole.shape[1])]))
        images.append(image(run.bold.T))
        one = np.zeros(whole.shape[1])
        if n not in lacking:
            one[names.index("a")], one[names.index("b")] = 1, -1
        weights.append(one)
    model = FirstLevelModel(
        mask_img=MASK, noise_model="ar1", signal_scaling=False, minimize_memory=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of nilearn: weights of zero, events beside designs.
        model.fit(images, design_matrices=designs)
        theirs = model.compute_contrast(weights, output_type="all")
    singles = [fit_run(run, [(e.onset, e) for e in shown], AUDIO) for run, shown in made.values()]
    held = [one for one in singles if one is not None]
    effects, variances = (
        [image(getattr(one, what).ravel()) for one in held] for what in ("effect", "variance")
    )
    plain = compute_fixed_effects(effects, variances, MASK, dofs=[one.dof for one in held])
    keys = ("effect_size", "effect_variance", "stat", "z_score")
    mine = (ours.effect, ours.variance, ours.t, ours.z)
    for key, stored, fixed in zip(keys, mine, plain, strict=True):
        np.testing.assert_allclose(stored, values_of(theirs[key]), rtol=1e-5)
        np.testing.assert_allclose(stored, values_of(fixed), rtol=1e-5)
    assert ours.effect.mean() == pytest.approx(2.0, abs=0.2)


def test_a_second_level_over_unequal_runs_finds_the_mean_over_subjects() -> None:
    """Half of the voxels answer by 1 (SD .5 over people), the others by 0; 1, 2 or 4 runs each."""
    rng, voxels = np.random.default_rng(3), 400
    white = AUDIO.model_copy(update={"noise": "ols", "minus": []})
    counts = [1, 2, 4] * 4
    means, sums = [], []
    mean = np.repeat([1.0, 0.0], voxels // 2)
    for subject, number in enumerate(counts):
        own = mean - 2.0 + 0.5 * rng.standard_normal(voxels)
        estimates = []
        for run, shown in made_runs(number, (), voxels, seed=100 + subject).values():
            timed = [(e.onset, e) for e in shown]
            responses, names = design(run, timed, "spm")
            bold = run.bold + np.outer(responses[:, names.index("a")], own)
            estimates.append(fit_run(replace(run, bold=bold), timed, white))
        joined = fixed_effects([one for one in estimates if one is not None])
        means.append(joined.effect_size().ravel())
        sums.append(number * means[-1])
    design_matrix = pd.DataFrame({"intercept": np.ones(len(counts))})
    mask = image(np.ones(voxels, np.int8))

    def second_level(effects: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        model = SecondLevelModel(mask_img=mask)
        model.fit([image(one) for one in effects], design_matrix=design_matrix)
        made = model.compute_contrast("intercept", output_type="all")
        return values_of(made["effect_size"]), values_of(made["p_value"])

    effect, p = second_level(means)
    np.testing.assert_allclose(effect, np.mean(means, axis=0), rtol=1e-5)
    assert effect[: voxels // 2].mean() == pytest.approx(1.0, abs=0.05)
    assert effect[voxels // 2 :].mean() == pytest.approx(0.0, abs=0.05)
    assert (p[: voxels // 2] < 0.05).mean() > 0.95
    assert (p[voxels // 2 :] < 0.05).mean() == pytest.approx(0.05, abs=0.035)
    # Sums over runs, as a control: twice the effect, and fewer voxels found.
    wrong, missed = second_level(sums)
    assert wrong[: voxels // 2].mean() > 2
    assert (missed < 0.001).sum() < (p < 0.001).sum()
