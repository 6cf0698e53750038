"""`simulate like` serves every layout that is read, up to aligned features and samples.

One study holds a made-up dataset of each layout; none of them has an image. The workflow's own
commands are run in this process, but for those that register raw images: they take minutes, and
their files are written from how the simulated head lay.
"""

import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml
from nibabel.affines import apply_affine
from PIL import Image

from helpers.small_study import commands, run_here
from tristream.align.aligned import read_aligned
from tristream.align.samples import kept_rows, read_samples
from tristream.bold.registration.registration_file import (
    Normalisation,
    Registration,
    write_normalisation,
    write_registration,
)
from tristream.bold.resampling.transforms import read_composite
from tristream.bold.run_file import Run, read_run
from tristream.cli import main
from tristream.config.dataset import Dataset
from tristream.config.load import load as load_study
from tristream.errors import UserError
from tristream.media.media_contents import media_info
from tristream.simulate.synthetic import raw_outputs, write_dataset
from tristream.simulate.synthetic.raw_outputs import Lain
from tristream.simulate.synthetic.settings import ITEM, LABEL, NONE, Brain, region_at
from tristream.simulate.synthetic.synthetic_truth import SyntheticTruth, read_synthetic_truth
from tristream.simulate.synthetic.transform_files import write_composite
from tristream.simulate.synthetic.write_dataset import Wish, chosen, lengths
from tristream.stimuli.timelines import Event

pytestmark = pytest.mark.xdist_group("layouts")
SCALE, CEILING, TR = 5, 0.9, 2.0
BLOCKS = ("face", "house", "tool", "house", "tool", "face")
PLAIN = {
    "title": "made up",
    "licence": "CC0",
    "citation": "none",
    "source": {"kind": "folder", "path": "real"},
    "tr": TR,
    "subjects": ["01"],
    "runs": ["task-see_run-{01..03}"],
    "split": {"scheme": "leave-one-run-out"},
    "exchange": {"unit": "block"},
}
FILMS = {
    "runs": ["task-film_run-{01..03}"],
    "exchange": {"unit": "time"},
    "stimuli": {
        "get": "from the authors",
        "table": [
            {"stimulus": f"film_{n}", "kind": "film", "path": f"film {n}.mkv"} for n in (1, 2, 3)
        ],
    },
}
# Runs are brief: motion would leave few degrees of freedom.
FILTER = {"confounds": ["high_pass"]}
SPM = {
    "kind": "spm",
    "bold": "spm/sub-{subject}/sub-{subject}_{run}_bold.nii.gz",
    "rois": "roi/sub-{subject}_{roi}.nii.gz",
    "regions": {"V1": ["LH_V1", "RH_V1"], "FFA": ["LH_FFA"], "V4": ["LH_hV4"]},
}
# Of each dataset: its layout, and what else its descriptor says.
DATASETS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # fMRIPrep's outputs inside the dataset, at the default place; films; a space of its own.
    "inside": ({"kind": "fmriprep", "space": "MNI152NLin6Asym", **FILTER}, FILMS),
    # Outputs beside the raw data, in a folder.
    "beside": (
        {"kind": "fmriprep", **FILTER},
        {"derivatives": {"kind": "folder", "path": "elsewhere/fmriprep"}},
    ),
    # Grayordinates of fsLR, which have one size.
    "grayordinates": ({"kind": "fmriprep", "space": "fsLR_den-91k", **FILTER}, {}),
    "minimal": (
        {"kind": "fmriprep_minimal", "resolution": 8.0, **FILTER},
        {"runs": ["ses-a_task-see_run-{01..03}"]},
    ),
    "raw": (
        {"kind": "raw", "resolution": 8.0, **FILTER},
        {"runs": ["ses-a_task-see_run-{01..03}"]},
    ),
    "spm": (SPM, {}),
    "table": (
        {"kind": "volume_table", "bold": "all.nii.gz", "table": "a/table.txt", "mask": "m.nii.gz"},
        {"runs": ["run-{1..3}"]},
    ),
    "scan": (
        {
            "kind": "scan",
            "bold": "scan.nii.gz",
            "events": "paradigm.csv",
            "mask": "m.nii.gz",
            "columns": ["trial_type", "onset", "duration"],
            "volumes": 40,
            "regions": {"early": [3, 4], "late": [7]},
            "header_tr": 1.0,
        },
        {"runs": ["part-{1..3}"]},
    ),
}
LABELLED = [name for name in DATASETS if name != "inside"]
SHOWN = {"film_1": 41.3, "film_2": 44.0, "film_3": 50.52}


def events(run: int) -> list[tuple[float, float, str]]:
    """Blocks of 8 s, every 12 s from 4 s on, in an order of each run."""
    order = BLOCKS[run:] + BLOCKS[:run]
    return [(4.0 + 12 * n, 8.0, label) for n, label in enumerate(order)]


def write_real(root: Path, name: str) -> None:
    """The text of a dataset; its images are on no disk."""
    layout, other = DATASETS[name]
    root.mkdir(parents=True)
    if layout["kind"] == "volume_table":
        rows = []
        for run in range(3):
            shown = ["rest"] * 40
            for onset, duration, label in events(run):
                first = round(onset / TR)
                shown[first : first + round(duration / TR)] = [label] * round(duration / TR)
            rows += [f"{label} {run}" for label in shown]
        (root / "a").mkdir()
        (root / "a/table.txt").write_text("\n".join(rows) + "\n")
    elif layout["kind"] == "scan":
        lines = [
            f'"{label}" {onset + 40 * TR * run:g} {duration:g}'
            for run in range(3)
            for onset, duration, label in events(run)
        ]
        (root / "paradigm.csv").write_text("\n".join(lines) + "\n")
    else:
        described = Dataset.model_validate({"id": name, **PLAIN, "layout": layout, **other})
        for number, run in enumerate(described.runs):
            folder = root / "sub-01" / ("ses-a/func" if run.startswith("ses-") else "func")
            folder.mkdir(parents=True, exist_ok=True)
            rows = [f"{o:g}\t{d:g}\t{label}\tn/a" for o, d, label in events(number)]
            if name == "inside":
                rows = [f"6\t{SHOWN[f'film_{number + 1}']:g}\tfilm\tfilm {number + 1}.mkv"]
            text = "\n".join(["onset\tduration\ttrial_type\tstim_file", *rows, ""])
            (folder / f"sub-01_{run}_events.tsv").write_text(text)
        # Slice times that another number of slices inherits, of a scanner that rests.
        sidecar = {"RepetitionTime": TR, "SliceTiming": [0.04 * n for n in range(31)]}
        task = described.runs[0].split("_run")[0].split("_")[-1]
        (root / f"{task}_bold.json").write_text(json.dumps(sidecar))


def synthesise(folder: Path, name: str, cache: Path) -> dict[str, Any]:
    """Write the descriptor and the synthetic dataset; return its block of config.yaml."""
    layout, other = DATASETS[name]
    described = {"id": name, **PLAIN, "layout": layout, **other}
    described["source"] = {"kind": "folder", "path": str(folder / "real" / name)}
    own = folder / "workflow/datasets"
    own.mkdir(parents=True, exist_ok=True)
    (own / f"{name}.yaml").write_text(yaml.safe_dump(described))
    write_real(folder / "real" / name, name)
    call = ["simulate", "like", "--dataset", name, "--datasets", str(own)]
    call += ["--output", str(folder / "synthetic" / name), "--data", str(cache)]
    if layout.get("space") != "fsLR_den-91k":
        call += ["--scale", str(SCALE)]
    with redirect_stdout(io.StringIO()) as printed:
        assert main([*call, "--ceiling", str(CEILING)]) == 0
    found: dict[str, Any] = yaml.safe_load(printed.getvalue())["datasets"][name]
    return found


@pytest.fixture(scope="module")
def study(
    tmp_path_factory: pytest.TempPathFactory, program: Callable[..., str], cache: Path
) -> Path:
    """The study up to aligned features and samples."""
    folder = tmp_path_factory.mktemp("layouts")
    found: list[Lain] = []

    def remembered(*arguments: Any) -> Lain:
        found.append(raw_outputs.write_raw_subject(*arguments))
        return found[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write_dataset, "write_raw_subject", remembered)
        chosen_datasets = {name: synthesise(folder, name, cache) for name in DATASETS}
    config = {
        "datasets": chosen_datasets,
        "features": {
            "conditions": {"stream": "label", "extractor": "labels"},
            "light": {"stream": "ventral", "extractor": "lowlevel"},
        },
        "models": {
            "labels": {"datasets": LABELLED, "bands": {"label": ["conditions"]}},
            "films": {"datasets": ["inside"], "bands": {"light": ["light"]}},
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    wanted = [f"results/align/{name}/sub-01_samples.tsv" for name in DATASETS]
    wanted += [f"results/align/{name}/main/conditions/identity.h5" for name in LABELLED]
    wanted += ["results/align/inside/main/light/lowlevel.h5"]
    calls = commands(folder, *wanted)
    registering = [call for call in calls if call[1] in ("normalise", "register")]
    assert len(registering) == 4
    register(folder, found[0])
    run_here(folder, [call for call in calls if call not in registering])
    return folder


def register(folder: Path, lain: Lain) -> None:
    """The files of the steps that register raw images, from how the head lay."""
    home = folder / "results/registration/raw/sub-01"
    home.mkdir(parents=True)
    start, nodes = np.array([-100.0, -136, -82]), [41, 49, 41]
    write_composite(
        folder / "xfm.h5", lain.anatomy.linear, lain.anatomy.displacement, 5.0, nodes, start
    )
    t1w = "sub-01/anat/sub-01_T1w.nii.gz"
    image = nib.load(folder / "synthetic/raw/raw" / t1w)
    steps = read_composite(folder / "xfm.h5")
    write_normalisation(
        home.with_suffix(".h5"), Normalisation(t1w, image, steps, 1.0), True, {}, ""
    )
    for run, scan in lain.scans.items():
        path = folder / f"synthetic/raw/raw/sub-01/ses-a/func/sub-01_{run}_bold.nii.gz"
        mean = nib.load(path).get_fdata().mean(axis=3)
        reference = nib.Nifti1Image(mean.astype(np.float32), scan.affine)
        made = Registration(run, reference, mean > 300, scan.motion, scan.coregistration)
        write_registration(home / f"{run}.h5", made, True, {}, "")


def read_back(study: Path, name: str) -> list[Run]:
    found = load_study(study / "config.yaml").datasets[name]
    return [read_run(study / f"results/bold/{name}/sub-01/{run}.h5") for run in found.runs]


def truth(study: Path, name: str) -> SyntheticTruth:
    return read_synthetic_truth(study / f"synthetic/{name}/truth.h5", "01")


def explained(run: Run, courses: np.ndarray, brain: Brain | None) -> tuple[np.ndarray, np.ndarray]:
    """Multiple correlation of each voxel with the true courses of a region, and its region."""
    clean = courses - run.projection @ (run.projection.T @ courses)
    bold = run.bold - run.bold.mean(axis=0)
    weights = np.linalg.lstsq(clean, bold, rcond=None)[0]
    share = 1 - ((bold - clean @ weights) ** 2).sum(axis=0) / (bold**2).sum(axis=0)
    where = run.grayordinates
    if where is None:
        return np.sqrt(share), region_at(apply_affine(run.affine, run.ijk))
    assert brain is not None
    assert brain.grayordinates is not None
    keys = brain.grayordinates.keys(brain.ijk.astype(np.int32))
    region = dict(zip(keys.tolist(), brain.region, strict=True))
    return np.sqrt(share), np.array([region[key] for key in where.keys(run.ijk).tolist()])


@pytest.mark.parametrize("name", DATASETS)
def test_bold_that_is_read_back_is_what_was_simulated(study: Path, name: str) -> None:
    """Also in the wrong place in time it would not be: volumes stand where their reader says."""
    region = ITEM if name == "inside" else LABEL
    for run in read_back(study, name):
        true = truth(study, name)
        courses, brain = true.courses[region][run.run], true.brain
        assert run.n_volumes == len(courses)
        assert run.simulated
        r, where = explained(run, courses, brain)
        assert np.median(r[where == region]) > 0.75
        assert np.median(r[where == NONE]) < 0.55
        moved, _ = explained(run, np.roll(courses, 2, axis=0), brain)
        assert np.median(r[where == region]) > np.median(moved[where == region]) + 0.1


@pytest.mark.parametrize("name", LABELLED)
def test_conditions_stand_at_the_volumes_that_show_them(study: Path, name: str) -> None:
    aligned = read_aligned(study / f"results/align/{name}/main/conditions/identity.h5")
    names = sorted(set(BLOCKS))
    for number, run in enumerate(read_back(study, name)):
        time = run.time
        expected = np.zeros((len(time), len(names)))
        for onset, duration, label in events(number):
            shown = (time >= onset - 1e-3) & (time < onset + duration - 1e-3)
            expected[shown, names.index(label)] = 1
        found = aligned[run.run]
        assert found.shape == expected.shape
        half = 0.75 * TR
        # Rows average over what is near a volume: at the edges of blocks they lie between.
        far = np.ones(len(time), bool)
        for onset, duration, _ in events(number):
            for edge in (onset, onset + duration):
                far &= np.abs(time - edge) > half
        assert far.sum() > len(time) / 3
        np.testing.assert_allclose(found[far], expected[far], atol=1e-6)
        table, _ = read_samples(study / f"results/align/{name}/sub-01_samples.tsv")
        assert len(kept_rows(table, run.run)) == expected.any(axis=1).sum()


@pytest.mark.parametrize("name", ["inside", "beside", "grayordinates", "minimal", "raw", "spm"])
def test_runs_last_until_the_response_to_the_last_event_is_over(study: Path, name: str) -> None:
    for number, run in enumerate(read_back(study, name)):
        last = 6 + SHOWN[f"film_{number + 1}"] if name == "inside" else 4 + 12 * 5 + 8
        assert run.n_volumes == np.ceil((last + 16) / TR)
        # What a volume stands for: slices until 1.2 s, or the middle of the TR.
        assert run.start_time == pytest.approx(0.6 if name in ("minimal", "raw") else 1.0)


def test_films_last_as_long_as_their_events_and_play(study: Path) -> None:
    """Every event shows all of its film, so that the inventory asks no question."""
    for stimulus, seconds in SHOWN.items():
        path = study / f"synthetic/inside/stimuli/{stimulus.replace('_', ' ')}.mkv"
        info = media_info(path)
        assert info.duration == pytest.approx(seconds, abs=0.1)
        assert (info.fps, info.width, info.height) == (25, 256, 144)
        assert info.has_audio
        assert not info.notes
    light = read_aligned(study / "results/align/inside/main/light/lowlevel.h5")
    for run, values in light.items():
        assert len(values) == len(truth(study, "inside").courses[ITEM][run])
        assert np.isfinite(values).any(axis=1).sum() >= 10


def test_lengths_that_events_show() -> None:
    def event(start: float, duration: float, kind: str = "film", name: str = "a") -> Event:
        return Event(0.0, duration, name, kind, name, media_start=start)

    nowhere = float("nan")
    assert lengths([event(nowhere, 12), event(nowhere, 9)]) == {"a": 12}
    assert lengths([event(300, 60), event(0, 60)]) == {"a": 360}
    # A clip of which 15 s are played goes on; a sound that says no start is played whole.
    assert lengths([event(0, 15, "sound")]) == {"a": 30}
    assert lengths([event(nowhere, 15, "sound")]) == {"a": 15}
    assert lengths([event(nowhere, 15, "image")]) == {}


def test_stimuli_that_the_dataset_ships_are_followed(
    tmp_path: Path, program: Callable[..., str]
) -> None:
    """No stand-ins: BOLD follows the light of the real pictures, which the study reads, too."""
    (tmp_path / "pictures").mkdir()
    names = ("black", "grey", "white")
    for name, light in zip(names, (0, 128, 255), strict=True):
        Image.new("RGB", (32, 32), (light,) * 3).save(tmp_path / f"pictures/{name}.png")
    runs = ["task-see_run-01", "task-see_run-02", "task-see_run-03"]
    described = Dataset.model_validate(
        {
            "id": "own",
            **PLAIN,
            "layout": {"kind": "fmriprep"},
            "source": {"kind": "folder", "path": str(tmp_path / "real")},
            "stimuli": {
                "source": {"kind": "folder", "path": str(tmp_path / "pictures")},
                "table": [{"stimulus": n, "kind": "image", "path": f"{n}.png"} for n in names],
            },
        }
    )
    func = tmp_path / "real/sub-01/func"
    func.mkdir(parents=True)
    for run in runs:
        rows = [f"{4 + 16 * n}\t8\t{name}.png" for n, name in enumerate(names)]
        text = "\n".join(["onset\tduration\tstim_file", *rows, ""])
        (func / f"sub-01_{run}_events.tsv").write_text(text)
    lines = write_dataset.write_synthetic(described, Wish(scale=8.0), tmp_path / "synthetic")
    assert set(yaml.safe_load(lines)["datasets"]["own"]) == {"subjects", "source"}
    assert not (tmp_path / "synthetic/stimuli").exists()
    courses = read_synthetic_truth(tmp_path / "synthetic/truth.h5", "01").courses[ITEM][runs[0]]
    # Six seconds after each picture came: dark below, grey between, white above.
    dark, grey, white = courses[[5, 13, 21]].mean(axis=1)
    assert dark < grey < white
    # The last event ends at 44 s.
    assert len(courses) == (44 + 16) / TR


def made_up(tmp_path: Path, **changes: Any) -> Dataset:
    """A descriptor of whole fMRIPrep outputs; `real` has a description alone."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real/dataset_description.json").write_text('{"Name": "real"}')
    source = {"kind": "folder", "path": str(tmp_path / "real")}
    common = {"id": "own", **PLAIN, "layout": {"kind": "fmriprep"}, "source": source}
    return Dataset.model_validate({**common, **changes})


def test_runs_in_parts_are_simulated_whole(tmp_path: Path) -> None:
    """Responses to all events of a run are in its image, whichever part they belong to."""
    parts = {"times": [40.0], "gap": 8.0}
    found = made_up(tmp_path, parts=parts, split={"scheme": "holdout", "test": ["*_part-2"]})
    func = tmp_path / "real/sub-01/func"
    func.mkdir(parents=True)
    for number in range(3):
        rows = [f"{o:g}\t{d:g}\t{label}" for o, d, label in events(number)]
        text = "\n".join(["onset\tduration\ttrial_type", *rows, ""])
        (func / f"sub-01_task-see_run-0{number + 1}_events.tsv").write_text(text)
    write_dataset.write_synthetic(found, Wish(scale=8.0, ceiling=0.95), tmp_path / "synthetic")
    true = read_synthetic_truth(tmp_path / "synthetic/truth.h5", "01")
    runs = [f"task-see_run-0{n}" for n in (1, 2, 3)]
    assert list(true.courses[LABEL]) == runs
    assert true.brain is not None
    run = runs[0]
    image = tmp_path / "synthetic/raw/derivatives/fmriprep/sub-01/func"
    image /= f"sub-01_{run}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
    bold = nib.load(image).get_fdata()[tuple(true.brain.ijk.T)].T
    shown = true.courses[LABEL][run]
    for part in (slice(0, 20), slice(24, 40)):
        courses = shown[part] - shown[part].mean(axis=0)
        r, where = explained_by(courses, bold[part]), true.brain.region
        assert np.median(r[where == LABEL]) > np.median(r[where == NONE]) + 0.15


def explained_by(courses: np.ndarray, bold: np.ndarray) -> np.ndarray:
    """Multiple correlation of each voxel, a slope allowed for."""
    slope = np.linspace(-1, 1, len(bold))[:, None]
    plain = np.hstack([slope, np.ones_like(slope)])
    both = [x - plain @ np.linalg.lstsq(plain, x, rcond=None)[0] for x in (courses, bold)]
    fitted = both[0] @ np.linalg.lstsq(both[0], both[1], rcond=None)[0]
    return np.asarray(np.sqrt((fitted**2).sum(axis=0) / (both[1] ** 2).sum(axis=0)))


@pytest.mark.parametrize("row", ["0\t30000\ta", "0\t1e300\trest"])
def test_events_that_last_for_hours_make_no_image(tmp_path: Path, row: str) -> None:
    """Rest is no event, and yet a run lasts as long."""
    found = made_up(tmp_path, events={"ignore": {"trial_type": ["rest"]}})
    func = tmp_path / "real/sub-01/func"
    func.mkdir(parents=True)
    for number in (1, 2, 3):
        text = f"onset\tduration\ttrial_type\n4\t8\tb\n{row}\n"
        (func / f"sub-01_task-see_run-0{number}_events.tsv").write_text(text)
    with pytest.raises(UserError, match=r"sub-01 task-see_run-01: its events last until .* s,"):
        write_dataset.write_synthetic(found, Wish(scale=8.0), tmp_path / "synthetic")


def test_what_the_descriptor_says_was_shown_needs_no_events_files(tmp_path: Path) -> None:
    """A sound that lasts until it ends gets a stand-in of 30 s, and runs last until it is over."""
    shown = [
        {"runs": "*run-01", "stimulus": "song", "onset": 4.0},
        {"runs": "*run-0[23]", "stimulus": "song", "duration": 20.0},
    ]
    table = [{"stimulus": "song", "kind": "sound", "path": "song.wav"}]
    found = made_up(tmp_path, events={"shown": shown}, stimuli={"get": "ask", "table": table})
    write_dataset.write_synthetic(found, Wish(scale=8.0), tmp_path / "synthetic")
    assert media_info(tmp_path / "synthetic/stimuli/song.wav").sound.end == pytest.approx(30)
    courses = read_synthetic_truth(tmp_path / "synthetic/truth.h5", "01").courses[ITEM]
    assert [len(own) for own in courses.values()] == [(4 + 30 + 16) / TR, 18, 18]


def test_what_cannot_be_chosen_is_one_line(study: Path) -> None:
    folder = study / "workflow/datasets"
    found = load_study(study / "config.yaml", folder).datasets
    with pytest.raises(UserError, match="--runs: all runs of scan are in one image"):
        chosen(found["scan"], Wish(runs=("part-1",)))
    goes_on = {"without_media_start": "continues"}
    parts = Dataset.model_validate({**found["inside"].model_dump(mode="json"), "events": goes_on})
    with pytest.raises(UserError, match="take the first ones"):
        chosen(parts, Wish(runs=("*run-02",)))
    assert chosen(parts, Wish(runs=("*run-01",))).runs == ("task-film_run-01",)
