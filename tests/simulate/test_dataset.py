"""A simulated dataset is BIDS, DataLad, and says that it is simulated."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
from nilearn.interfaces.fmriprep import load_confounds

from helpers.small_simulation import write_features, write_receipt
from helpers.small_study import REPO, STUDY
from tristream.config.dataset import Dataset
from tristream.config.load import descriptor
from tristream.config.settings.simulate import SimulateSettings
from tristream.config.sources import DataladSource
from tristream.fetch.clone import check_out
from tristream.fetch.receipt import says_simulated
from tristream.simulate.dataset import Inputs, Outputs, check, methods, simulate
from tristream.simulate.preset import Preset, load_preset
from tristream.simulate.signals import Signals
from tristream.simulate.truth_file import read_truth

SPACE = "space-MNI152NLin2009cAsym"


def described(name: str) -> Dataset:
    folders = [REPO / "workflow/datasets", STUDY / "workflow/datasets"]
    return descriptor(name, folders, Path("config.yaml"))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, atlas: Path, trailer: Path) -> Inputs:
    preset, folder = load_preset("tiny"), tmp_path_factory.mktemp("inputs")
    film = described("tiny").stimuli.table[0].path
    root = trailer.parents[len(Path(film).parts) - 1]
    member = preset.atlas.members[0]
    return Inputs(
        write_receipt(folder / "stimuli.json", root, film),
        tuple(write_features(folder, preset, 55.0)),
        write_receipt(
            folder / "atlas.json", atlas.parents[len(Path(member).parts) - 1], member, preset.atlas
        ),
    )


def settings(name: str) -> SimulateSettings:
    return SimulateSettings.of_dataset(described(name), load_preset(name))


def outputs(folder: Path) -> Outputs:
    return Outputs(folder / "dataset", folder / "commit.txt", folder / "truth.h5")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, inputs: Inputs) -> Outputs:
    out = outputs(tmp_path_factory.mktemp("simulated"))
    simulate(settings("tiny"), inputs, out, code="abc")
    return out


@pytest.fixture(scope="module")
def preset() -> Preset:
    return load_preset("tiny")


def test_it_is_a_datalad_dataset_with_annexed_images(made: Outputs, program: Callable[..., str]):
    assert "[datalad" in (made.folder / ".datalad/config").read_text()
    assert program(made.folder, "git", "status", "--porcelain") == ""
    assert made.commit.read_text().strip() == program(made.folder, "git", "rev-parse", "HEAD")
    files = program(made.folder, "git", "ls-files").splitlines()
    images = [f for f in files if f.endswith(".nii.gz")]
    assert len(images) == 3 * 5
    for name in files:
        path = made.folder / name
        assert path.is_symlink() == (name in images), name
        assert path.is_file(), name
        if name in images:
            assert "/annex/objects/" in str(path.resolve())


def test_the_fetch_stage_clones_it(made: Outputs, tmp_path: Path):
    source = DataladSource(url=str(made.folder), commit_file=str(made.commit))
    assert check_out(source, tmp_path / "clone") == made.commit.read_text().strip()


@pytest.mark.parametrize("options", [(), ("--recursive",)])
def test_it_is_valid_bids(made: Outputs, options: tuple[str, ...]):
    validator = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent))
    assert validator
    call = [validator, str(made.folder), "--format", "json", *options]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [i for i in issues if i["severity"] == "error"] == []


def test_it_says_that_it_is_simulated_whatever_it_is_called(made: Outputs):
    for folder in (made.folder, made.folder / "derivatives/fmriprep"):
        content = json.loads((folder / "dataset_description.json").read_text())
        assert content["Simulated"] is True
        assert content["GeneratedBy"][0]["Name"] == "tristream simulate"
        assert says_simulated(content)
        assert says_simulated({**content, "Name": "ds000001", "Simulated": False})
        assert says_simulated({**content, "Name": "ds000001", "GeneratedBy": []})
    assert read_truth(made.truth).provenance.simulated


def test_nilearn_reads_the_confounds(made: Outputs):
    folder = made.folder / "derivatives/fmriprep/sub-01/func"
    images = sorted(folder.glob("*desc-preproc_bold.nii.gz"))
    assert len(images) == 5
    tables, _ = load_confounds(
        [str(p) for p in images],
        strategy=("motion", "high_pass", "wm_csf", "global_signal", "scrub"),
        motion="full",
        wm_csf="full",
        global_signal="full",
    )
    for path, table in zip(images, tables, strict=True):
        assert len(table) == nib.load(path).shape[3]
        assert np.isfinite(table.to_numpy(float)).all()
        assert {"trans_x", "rot_z_derivative1_power2", "csf", "white_matter"} <= set(table)


def test_sidecars_and_events_tell_the_times(made: Outputs, preset: Preset):
    for run in preset.runs:
        stem = f"sub-01_{run.run}"
        derived = made.folder / "derivatives/fmriprep/sub-01/func" / f"{stem}_{SPACE}"
        content = json.loads(Path(f"{derived}_desc-preproc_bold.json").read_text())
        assert content["RepetitionTime"] == preset.tr
        assert content["StartTime"] == preset.start_time
        assert content["SliceTimingCorrected"] is True
        image = nib.load(f"{derived}_desc-preproc_bold.nii.gz")
        assert image.header.get_zooms()[3] == preset.tr
        assert image.header.get_xyzt_units() == ("mm", "sec")
        events = (made.folder / f"sub-01/func/{stem}_events.tsv").read_text().splitlines()
        assert events[0].split("\t") == [
            "onset", "duration", "trial_type", "stim_file", "media_start",
        ]  # fmt: skip
        assert events[1].split("\t") == [
            f"{preset.film.onset:g}", f"{run.duration:g}", "trailer", "trailer_bbb.mp4",
            f"{run.media_start:g}",
        ]  # fmt: skip


def test_the_truth_covers_the_masks_voxels(made: Outputs, preset: Preset):
    folder = made.folder / "derivatives/fmriprep/sub-01/func"
    truth = read_truth(made.truth)
    for path in folder.glob("*desc-brain_mask.nii.gz"):
        mask = np.asarray(nib.load(path).dataobj)
        np.testing.assert_array_equal(np.argwhere(mask), truth.voxels("01").ijk)
    assert {*truth.voxels("01").streams} == {
        "ventral", "dorsal", "auditory", "dorsal+auditory", "none",
    }  # fmt: skip
    for stream in ("ventral", "dorsal", "auditory"):
        values, times = truth.latents(stream)["trailer"]
        assert values.shape == (len(times), 3)
        assert np.diff(times) == pytest.approx(0.1)
    assert truth.provenance.config["preset"]["name"] == preset.name


def test_the_methods_tell_what_was_simulated(made: Outputs, preset: Preset):
    truth = read_truth(made.truth)
    voxels, text = truth.voxels("01"), " ".join(truth.provenance.methods)
    assert text.startswith("The BOLD is simulated; no measurement was made.")
    assert f"for 1 subject at a TR of 1 s, in {len(voxels.ijk)} voxels of 8 mm in " in text
    assert f"{voxels.hrf_peak.min():.1f} to {voxels.hrf_peak.max():.1f} s" in text
    assert f"correlation {voxels.ar_rho.min():.2f} to {voxels.ar_rho.max():.2f}" in text
    low, high = np.percentile(voxels.ceiling_r[voxels.streams != "none"], [5, 95])
    assert f"between {low:.2f} and {high:.2f}" in text
    assert "slow drifts" in text
    still = preset.model_copy(update={"noise": preset.noise.model_copy(update={"drift": 0.0})})
    drive = Signals(np.zeros(1), {"ventral": np.zeros((1, 2))}, {}, {}, np.zeros((1, 1)))
    other = " ".join(methods(still, drive, {"01": voxels, "02": voxels}))
    assert "drifts" not in other
    assert "products" not in other
    assert "2 subjects" in other
    for share, words in (
        (0.2, "; 20% of a voxel's signal variance (median) is not linear in"),
        (0, ""),
    ):
        curved = replace(voxels, nonlinear_share=np.full_like(voxels.nonlinear_share, share))
        text = " ".join(methods(still, drive, {"01": curved}))
        assert f"after an event{words or '.'}" in text


def test_images_hold_what_was_simulated(made: Outputs):
    folder = made.folder / "derivatives/fmriprep/sub-01/func"
    image = nib.load(next(iter(sorted(folder.glob("*test*run-01*preproc_bold.nii.gz")))))
    raw = nib.load(made.folder / "sub-01/func/sub-01_task-test_run-01_bold.nii.gz")
    values = image.get_fdata()
    np.testing.assert_array_equal(values, raw.get_fdata())
    inside = values.std(axis=3) > 0
    assert 500 < values[inside].mean() < 1500
    assert (int(image.header["sform_code"]), int(raw.header["sform_code"])) == (4, 1)


def test_the_same_again_is_the_same_and_replaces_what_was_there(
    made: Outputs, inputs: Inputs, tmp_path: Path
):
    out = outputs(tmp_path)
    for _ in range(2):
        simulate(settings("tiny"), inputs, out, code="abc")
        assert out.commit.read_text() == made.commit.read_text()
    with h5py.File(made.truth) as one, h5py.File(out.truth) as other:
        for name in ("latents/ventral/trailer/values", "subjects/01/ceiling_r"):
            np.testing.assert_array_equal(one[name][()], other[name][()])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["commit.txt", "dataset", "truth.h5"]


@pytest.mark.parametrize("name", ["bunny", "tiny"])
def test_shipped_presets_fit_their_descriptors(name: str):
    dataset, preset = described(name), load_preset(name)
    check(settings(name))
    assert dataset.trims.start == preset.dummies
    assert len(preset.test_runs) >= 2
    (test,) = {(run.media_start, run.duration) for run in preset.test_runs}
    training = [run for run in preset.runs if run not in preset.test_runs]
    assert len(training) >= 3
    for run in training:
        gap = max(run.media_start - sum(test), test[0] - run.media_start - run.duration)
        assert gap >= 20
