"""The sentences of run files, fact by fact, for every layout; planted lies are noticed."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine

from helpers import bold_tree, raw_head, spm_tree, surface_tree, synthetic_head
from helpers.run_claims import check_claims
from tristream.bold.cleaning_text import confound_words
from tristream.bold.registration.registration_file import (
    Normalisation,
    Registration,
    write_normalisation,
    write_registration,
)
from tristream.bold.resampling.transforms import Affine
from tristream.bold.run_file import Run, read_run, write_run
from tristream.config.dataset import Dataset
from tristream.report.references import keys_of, library
from tristream.store import Omission

FMRIPREP = {"kind": "fmriprep", "confounds": ["motion", "high_pass"]}
SCRUB = {"kind": "fmriprep", "confounds": ["motion", "scrub"]}
MINIMAL = {"resolution": 6.0, "space": "T1w"}
TISSUES = ["motion", "wm_csf", "compcor", "scrub"]


@dataclass(frozen=True)
class Case:
    """A dataset, its tree, what is done to the tree, and what the text must and must not hold."""

    write: Callable[[Path], Any]
    dataset: Dataset
    acquired: int
    holds: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    change: Callable[[Path], None] = lambda root: None
    run: int = 0
    subject: str = "01"
    simulated: bool = False
    registered: Callable[[Path], list[Path]] = field(default=lambda root: [])


def table(root: Path, change: Callable[[Any], Any]) -> None:
    """Change the confounds of the first run."""
    content = change(bold_tree.confounds(np.random.default_rng(9)))
    path = bold_tree.confounds_path(root, bold_tree.RUNS[0])
    content.to_csv(path, sep="\t", index=False, na_rep="n/a")


def without_cosines(root: Path) -> None:
    table(root, lambda content: content.filter(regex="^(?!cosine)"))


def moved(root: Path) -> None:
    def change(content: Any) -> Any:
        content.loc[20, "framewise_displacement"] = 2.0
        content["non_steady_state_outlier00"] = np.eye(bold_tree.VOLUMES)[0]
        return content

    table(root, change)


def untold_start(root: Path) -> None:
    bold_tree.write_sidecar(root, bold_tree.RUNS[0], {"RepetitionTime": bold_tree.TR})


def described(root: Path) -> None:
    """As fMRIPrep describes its outputs."""
    made = {"Name": "fMRIPrep", "GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.2.1"}]}
    path = root / "derivatives/fmriprep/dataset_description.json"
    path.write_text(json.dumps(made))


def heads(**first: Any) -> Callable[[Path], Any]:
    """What writes the dataset, and copies it wherever else it is wanted."""
    whole = [synthetic_head.Head(volumes=24, **first), synthetic_head.Head(volumes=24, seed=1)]
    done: list[Path] = []

    def write(root: Path) -> Any:
        if done:
            return shutil.copytree(done[0], root)
        done.append(synthetic_head.write(root, whole))
        return root

    return write


DISTORTED = heads(distorted=True)


def registrations(anatomy: bool) -> Callable[[Path], list[Path]]:
    """Files of the steps that register raw images, from the truth."""

    def write(root: Path) -> list[Path]:
        world, home = raw_head, root.parent
        template, mask, grid = world.template()
        brain = nib.Nifti1Image(template * mask, grid)
        t1w = "sub-01/anat/sub-01_T1w.nii.gz" if anatomy else ""
        steps = (Affine(world.LINEAR),) if anatomy else ()
        to_run = world.COREGISTRATION if anatomy else world.COREGISTRATION @ world.LINEAR
        omitted = () if anatomy else (Omission("T1w", "the subject has none"),)
        made = Normalisation(t1w, brain, steps, 1.0, omitted)
        write_normalisation(home / "normalisation.h5", made, True, {}, "")
        points = apply_affine(world.AFFINE, np.indices(world.SHAPE).reshape(3, -1).T)
        there = apply_affine(np.linalg.inv(world.COREGISTRATION @ world.LINEAR), points)
        seen, inside = (world.at(v, there).reshape(world.SHAPE) for v in world.contrast())
        reference = nib.Nifti1Image(seen.astype(np.float32), world.AFFINE)
        paths = [home / "normalisation.h5"]
        for seed, run in enumerate(world.RUNS):
            one = Registration(run, reference, inside > 0.5, world.motion(seed), to_run)
            paths.append(home / f"{run}.h5")
            write_registration(paths[-1], one, True, {}, "")
        return paths

    return write


def fmriprep(layout: dict[str, Any] = FMRIPREP, **changes: Any) -> Dataset:
    return bold_tree.fmriprep_dataset(layout=layout, **changes)


def minimal(**layout: Any) -> Dataset:
    return synthetic_head.dataset(**{**MINIMAL, **layout})


def spm(trials: dict[str, Any] | None = None, **layout: Any) -> Dataset:
    content = spm_tree.dataset(**layout).model_dump()
    return Dataset.model_validate({**content, "trials": trials})


def scan(**layout: Any) -> Dataset:
    about = {"kind": "scan", "bold": "bold.nii.gz", "mask": "mask.nii.gz", "events": "table.txt"}
    return bold_tree.table_dataset(layout={**about, "volumes": 20, **layout})


def on_surface(space: str) -> Case:
    def write(root: Path) -> None:
        surface_tree.write(root, space)

    return Case(write, surface_tree.dataset(space), surface_tree.VOLUMES, ("voxel is a",))


WHOLE = bold_tree.VOLUMES
CASES = {
    "fmriprep": Case(
        bold_tree.write_fmriprep,
        fmriprep(),
        WHOLE,
        ("Outputs of fMRIPrep [@esteban2019]", "trans_x", "cosines"),
        ("simulated", "resampled", "middle of its repetition"),
    ),
    "simulated": Case(
        bold_tree.write_fmriprep,
        fmriprep(),
        WHOLE,
        ("Simulated images with fMRIPrep's names and layout",),
        ("Outputs of", "@esteban2019"),
        simulated=True,
    ),
    "version": Case(
        bold_tree.write_fmriprep,
        fmriprep(),
        WHOLE,
        ("Outputs of fMRIPrep 23.2.1 [@esteban2019]",),
        change=described,
    ),
    "no cosines": Case(
        bold_tree.write_fmriprep,
        fmriprep(),
        WHOLE,
        ("trans_x",),
        ("cosine", "high-pass"),
        change=without_cosines,
    ),
    "no confounds": Case(
        bold_tree.write_fmriprep,
        fmriprep({"kind": "fmriprep", "confounds": []}),
        WHOLE,
        ("no confounds were",),
        ("trans_x", "nilearn"),
    ),
    "censored and trimmed": Case(
        bold_tree.write_fmriprep,
        fmriprep(SCRUB, trims={"end": 2}),
        WHOLE,
        ("before the steady state", "takes for motion", "the last 2 volumes"),
        ("the first",),
        change=moved,
    ),
    "unsteady volumes trimmed": Case(
        bold_tree.write_fmriprep,
        fmriprep(trims={"start": 3, "end": 2}),
        WHOLE,
        ("the first 3 and the last 2 volumes",),
        ("steady state", "takes for motion"),
        change=moved,
    ),
    "assumed start": Case(
        bold_tree.write_fmriprep,
        fmriprep(),
        WHOLE,
        ("middle of its repetition time",),
        change=untold_start,
    ),
    "fsaverage5": on_surface(surface_tree.FSAVERAGE5),
    "fsLR": on_surface(surface_tree.FSLR),
    "minimal": Case(
        heads(),
        minimal(),
        24,
        ("Raw BOLD was resampled", "Neither distortion", "head motion and coregistration"),
        ("normalisation", "simulated"),
    ),
    "minimal, distortion": Case(
        DISTORTED,
        minimal(space="MNI152NLin2009cAsym"),
        24,
        ("The timing of slices was not corrected", "normalisation to the template"),
        simulated=True,
    ),
    "minimal, all": Case(
        DISTORTED,
        minimal(slice_timing=True, confounds=["motion", "wm_csf"]),
        24,
        ("slices of each volume were brought", "white_matter"),
        ("not corrected",),
    ),
    "minimal, slices": Case(
        DISTORTED,
        minimal(slice_timing=True, distortion=False, confounds=[]),
        24,
        ("Distortion by the magnetic field was not corrected", "no confounds were"),
    ),
    "raw": Case(
        raw_head.write,
        raw_head.dataset(confounds=["global_signal"]),
        raw_head.VOLUMES,
        ("Neither distortion", "symmetric normalisation", "MNI152NLin2009aSym"),
        ("for want of",),
        simulated=True,
        registered=registrations(True),
    ),
    "raw, no T1w": Case(
        lambda root: raw_head.write(root, anatomy=False),
        raw_head.dataset(),
        raw_head.VOLUMES,
        ("for want of a T1w", "no confounds were"),
        ("symmetric",),
        registered=registrations(False),
    ),
    "spm": Case(
        spm_tree.write_spm,
        spm(),
        spm_tree.VOLUMES,
        ("SPM had preprocessed", "regions V1, V2, VC", "high-pass filter of 128 s"),
        ("trans_x",),
    ),
    "spm, short": Case(
        spm_tree.write_spm,
        spm(high_pass=2000.0),
        spm_tree.VOLUMES,
        ("no confounds were",),
        ("high-pass", "cosine"),
        simulated=True,
    ),
    "volume table": Case(
        bold_tree.write_volume_table,
        bold_tree.table_dataset(),
        20,
        ("a table that names the run", "its mask", "no confounds were"),
        subject="1",
    ),
    "scan": Case(
        bold_tree.write_volume_table,
        scan(columns=["trial_type", "onset"]),
        20,
        ("cut into runs of 20 volumes",),
        ("is known to be wrong",),
        subject="1",
    ),
    "scan, wrong header": Case(
        bold_tree.write_volume_table,
        scan(columns=["trial_type", "onset"], header_tr=bold_tree.TR).model_copy(
            update={"tr": 2.0, "trims": bold_tree.table_dataset().trims}
        ),
        20,
        ("header, 1.5 s, is known to be wrong; 2 s was taken",),
        subject="1",
    ),
}
for estimate in ("mean", "lsa", "lss"):
    for scale in ("run", "training"):
        CASES[f"trials, {estimate}, {scale}"] = Case(
            spm_tree.write_spm,
            spm({"estimate": estimate, "scale": scale, "shift": 4}),
            spm_tree.VOLUMES,
            ("39 trials of a run",),
            ("averaged within a run", "z-scored within each run"),
        )
CASES["trials, repeats"] = Case(
    spm_tree.write_spm,
    spm({"estimate": "mean", "window": 6, "average_repeats": "run"}),
    spm_tree.VOLUMES,
    ("window of 6 s that begins 3 s after", "Presentations of one item"),
)


@pytest.fixture(scope="module", params=CASES)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A case and the run that its file holds."""
    case = CASES[request.param]
    root = tmp_path_factory.mktemp("case") / "raw"
    case.write(root)
    case.change(root)
    registered = case.registered(root)
    receipt = bold_tree.receipt_of(root, case.subject, case.simulated)
    name = case.dataset.runs[case.run]
    run = bold_tree.prepare(case.dataset, case.subject, name, receipt, registered)
    write_run(root.with_name("run.h5"), run, {})
    return case, read_run(root.with_name("run.h5"))


def test_sentences_are_true_and_whole(written: tuple[Case, Run]) -> None:
    case, run = written
    check_claims(run, case.acquired)
    text = " ".join(run.methods)
    for words in case.holds:
        assert words in text
    for words in case.lacks:
        assert words not in text
    assert case.subject not in re.findall(r"sub-(\w+)", text)
    assert run.run not in text


def test_what_is_cited_is_known(written: tuple[Case, Run]) -> None:
    _, run = written
    assert set(keys_of(" ".join(run.methods))) <= set(library().entries)


def test_a_sentence_less_is_noticed(written: tuple[Case, Run]) -> None:
    """Of those that follow from what was done to the numbers."""
    case, run = written
    for number, sentence in enumerate(run.methods):
        if re.search(r"projected out|z-scored|percent|resampled|left out|trials", sentence):
            others = run.methods[:number] + run.methods[number + 1 :]
            with pytest.raises((AssertionError, ValueError)):
                check_claims(replace(run, methods=others), case.acquired)


LIES = {
    "a confound that was not there": ("(rot_x, ", "(csf, rot_x, "),
    "another space": ("MNI152NLin2009cAsym", "T1w"),
    "scaled otherwise": ("was z-scored within each run by", "was left in percent by"),
    "measured": ("Outputs of fMRIPrep", "Simulated images"),
}


@pytest.mark.parametrize("lie", LIES)
def test_planted_lies_are_noticed(lie: str, tmp_path: Path) -> None:
    bold_tree.write_fmriprep(tmp_path / "raw")
    receipt = bold_tree.receipt_of(tmp_path / "raw")
    run = bold_tree.prepare(fmriprep(), "01", bold_tree.RUNS[0], receipt)
    check_claims(run, WHOLE)
    text = tuple(sentence.replace(*LIES[lie]) for sentence in run.methods)
    assert text != run.methods
    with pytest.raises(AssertionError):
        check_claims(replace(run, methods=text), WHOLE)


def test_numbered_confounds_are_named_together() -> None:
    names = ("rot_x", "cosine00", "cosine01", "a_comp_cor_00", "a_comp_cor_01", "csf")
    assert confound_words(names, 128.0) == [
        "rot_x",
        "csf",
        "cosines of a high-pass filter of 128 s",
        "components of white matter and cerebrospinal fluid (aCompCor) [@behzadi2007]",
    ]
