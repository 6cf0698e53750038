"""A network in the workflow: the samples that it learns, and the same numbers as from Python."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.network_study import RUNS, SoundStudy
from tristream.encode.brain_and_label import BrainAndLabelNetwork
from tristream.encode.regimes import compare_regimes
from tristream.errors import UserError
from tristream.genre.sound_inputs import RATE, log_mel, window_samples
from tristream.media.sounds import read_sound
from tristream.networks.network_inputs import Moment
from tristream.networks.regimes_file import read_regimes
from tristream.networks.regimes_fit import fit, held_out, read_given
from tristream.networks.regimes_methods import methods_of
from tristream.networks.shown_samples import read_shown, with_voxels


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return SoundStudy(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="module")
def written(study):
    output = study.folder / "regimes.h5"
    return fit(*study.files(), output, study.settings(), "code"), output


def by_hand(study):
    """The same samples, from the tables as a user would read them."""
    windows, labels, items, runs, responses = [], [], [], [], []
    for run, events in study.events.items():
        own = study.table[study.table["run"] == run].reset_index(drop=True)
        for row in range(1, len(own)):
            if not own["keep"][row - 1]:
                continue
            event = events[(row - 1) // 4]
            sound = read_sound(study.folder / f"stimuli/{event.stimulus}.wav", RATE)
            size = window_samples(16)
            start = round((own["time"][row - 1] - event.onset) * RATE) - size // 2
            start = min(max(start, 0), len(sound) - size)
            windows.append(log_mel(sound[start : start + size]))
            labels.append(event.label)
            items.append(event.stimulus)
            runs.append(run)
            responses.append(study.bold[run][row].astype(np.float32))
    return np.stack(windows), labels, items, np.array(runs), np.stack(responses)


def shown(study, **changes):
    """Samples of the study without their sounds."""
    bold, samples, inventory, _ = study.files()
    block = study.settings(**changes).block
    return with_voxels(
        read_shown(bold, samples, inventory, "main", block, "networks.genre"), block.voxels
    )


def test_workflow_and_python_give_the_same_numbers(study, written):
    found, _ = written
    windows, labels, items, runs, responses = by_hand(study)
    how = {"label_epochs": 6, "epochs": 2, "learning_rate": 3e-3, "batch": 12}
    network = BrainAndLabelNetwork("tcn", **how, device="cpu")
    test = ["task-music_run-5"]
    y = responses[:, found.column]
    same = compare_regimes(network, windows, labels, y, runs, test=test, items=items, seeds=2)
    pd.testing.assert_frame_equal(found.scores, same.scores)
    for regime, r in same.correlation.items():
        np.testing.assert_array_equal(found.correlation[regime], r)
    pd.testing.assert_frame_equal(found.embedding, same.embedding)
    assert found.chance == same.chance == 0.5
    assert found.learnt + found.tested == len(runs)
    assert found.tested == 24


def test_voxels_are_chosen_by_training_samples_alone(study, written):
    found, _ = written
    assert len(found.column) == 8
    held = f"task-music_run-{RUNS}"
    before = study.bold[held].copy()
    label = np.array([event.label == "bright" for event in study.events[held]])
    study.bold[held] = np.outer(np.repeat(label, 4), 1e3 * ~np.isin(range(12), found.column))
    study.bold[held] += np.random.default_rng(3).standard_normal(before.shape)
    try:
        again = shown(study)
    finally:
        study.bold[held] = before
    np.testing.assert_array_equal(again.column, found.column)


def test_as_many_voxels_as_there_are_were_not_chosen(study, written):
    found, _ = written
    everything = shown(study, voxels=12)
    moments = [Moment(event, 3.0) for event in everything.event]
    whole = replace(found, column=everything.column)
    text = methods_of(everything, moments, whole, study.settings(voxels=12).block)
    assert "predict the 12 voxels (the loss" in " ".join(text)


def test_windows_are_of_the_moment_that_was_heard(study):
    given = read_given(*study.files(), study.settings())
    loud = given.inputs[0].max((1, 2)) > -20
    for on, moment in zip(loud, given.moments, strict=True):
        begins_silent = int(moment.event.stimulus.split("_")[1]) < 4
        if abs(moment.at - 3) > 1:
            assert on == (not begins_silent or moment.at > 3)


def test_a_block_is_the_mean_of_a_presentation_and_answers_its_middle(study):
    blocks = shown(study, samples="blocks")
    assert set(blocks.at) == {3.0}
    assert len(blocks.y) == 40
    mean = study.bold["task-music_run-1"][1:4].mean(0)[blocks.column]
    np.testing.assert_allclose(blocks.y[0], mean, rtol=1e-5)


def test_the_file_gives_back_what_was_found(written):
    found, output = written
    again, provenance = read_regimes(output)
    pd.testing.assert_frame_equal(again.scores[found.scores.columns], found.scores)
    pd.testing.assert_frame_equal(again.summary, found.summary)
    pd.testing.assert_frame_equal(again.null, found.null)
    pd.testing.assert_frame_equal(again.embedding, found.embedding)
    assert again.titles == found.titles
    best = found.column[found.correlation["frozen"][0].argmax()]
    assert {one.voxel for one in again.pictures} == {best}
    assert [one.label for one in again.pictures] == ["bright", "dull"]
    for one, other in zip(again.pictures, found.pictures, strict=True):
        np.testing.assert_allclose(one.of_label["joint"], other.of_label["joint"], rtol=1e-6)
        assert one.stimulus.shape == (16, 64)
    assert provenance.simulated
    assert provenance.config["block"]["network"] == "tcn"


def test_methods_say_what_was_done(written):
    _, provenance = read_regimes(written[1])
    text = " ".join(provenance.methods)
    assert "learned to name 2 labels" in text
    assert "8 voxels with the largest F of the labels in the samples that were learned" in text
    assert "96 samples (volumes) of 4 runs were learned from, and 24 of 1 held-out run" in text
    assert "Responses were taken 2 s after what was shown." in text
    assert "Each of 2 seeds learned labels alone first, for 6 epochs at most" in text
    assert "200 permutations of the labels of held-out items" in text


def test_clear_sounds_are_named_and_predict_the_brain(written):
    found, _ = written
    # A sixth of the windows are silent.
    assert (found.summary["label"] > 0.75).all()
    assert (found.summary["brain"] > 0.4).all()
    assert found.null["mean"].between(0.4, 0.6).all()


def test_runs_named_by_the_study_are_held_out(study):
    found = shown(study, test=["*_run-[12]"])
    assert held_out(found) == ["task-music_run-1", "task-music_run-2"]
    with pytest.raises(UserError, match=r"networks.genre.test: no run with labels is 'rest\*'"):
        shown(study, test=["rest*"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": "bright"}, r"only one \(bright\); a network needs at least two"),
        ({"label": None}, "of labels there is none"),
        ({"split": "each"}, r"no held-out run with labels; name some under networks.genre.test"),
    ],
)
def test_what_can_not_be_learnt_is_refused(study, columns, message):
    before = study.table
    study.table = before.assign(**columns)
    try:
        with pytest.raises(UserError, match=message):
            shown(study)
    finally:
        study.table = before


def test_stimuli_that_the_network_can_not_open_are_refused(study):
    with pytest.raises(UserError, match="is a sound, and two_stream takes films and images"):
        read_given(*study.files(), study.settings(network="two_stream"))
    settings = study.settings()
    lost = settings.model_copy(update={"stimuli": settings.stimuli[1:]})
    with pytest.raises(UserError, match="music: 'clip1_0' is a sound"):
        read_given(*study.files(), lost)


def test_an_item_with_two_labels_is_refused(study):
    run = next(iter(study.events))
    before = study.events[run]
    twice = replace(before[1], item=before[0].item)
    study.events[run] = [before[0], twice, *before[2:]]
    try:
        with pytest.raises(UserError, match="'clip1_0' has two labels"):
            shown(study)
    finally:
        study.events[run] = before
