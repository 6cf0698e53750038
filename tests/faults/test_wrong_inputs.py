"""Each wrong input to each reader of BOLD: one clear line, before anything heavy is computed.

What headers, tables and masks show is reported when a subject has been fetched; what only data show
(NaN, voxels that never vary), before anything is cleaned or resampled.
"""

import gzip
import importlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml

from helpers import bold_tree, spm_tree, synthetic_head
from helpers.fetched import files_of
from tristream.bold.check_subject import check_subject
from tristream.bold.image_checks import check_whole
from tristream.bold.nifti import open_image
from tristream.bold.prepare import prepare_run
from tristream.cli import main
from tristream.config.dataset import Dataset
from tristream.errors import UserError

EVENTS = "onset\tduration\ttrial_type\n0\t1\tface\n2\t1\thouse\n"
LATE = "onset\tduration\ttrial_type\n0\t3\tface\n500\t3\thouse\n"
ESCAPE = "onset\tduration\tstim_file\n0\t3\t../../../etc/passwd\n"
Change = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A small dataset of one layout, and where in it to break something.

    `mask` must lie on the grid of `bold`; `damage` overwrites what is particular to the layout.
    """

    module: str
    write: Callable[[Path], object]
    dataset: Dataset
    bold: str
    mask: str
    events: str
    messages: dict[str, str]
    damage: dict[str, Change]


def save(path: Path, data: np.ndarray, like: nib.Nifti1Image, affine: Any = None) -> None:
    image = nib.Nifti1Image(data, like.affine if affine is None else affine)
    image.header.set_zooms((*like.header.get_zooms()[:3], like.header["pixdim"][4])[: data.ndim])
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def data_of(path: Path) -> tuple[np.ndarray, nib.Nifti1Image]:
    image = nib.load(path)
    return image.get_fdata(dtype=np.float32), image


def damages(case: Case) -> dict[str, Change]:
    """What is broken in the same way on all layouts, and the layout's own."""

    def with_nan(root: Path) -> None:
        data, image = data_of(root / case.bold)
        data[..., -1] = np.nan
        save(root / case.bold, data, image)

    def constant(root: Path) -> None:
        data, image = data_of(root / case.bold)
        save(root / case.bold, np.full_like(data, 700), image)

    def truncated(root: Path) -> None:
        content = gzip.decompress((root / case.bold).read_bytes())
        (root / case.bold).write_bytes(gzip.compress(content[:-1000]))

    def cut_stream(root: Path) -> None:
        content = (root / case.bold).read_bytes()
        (root / case.bold).write_bytes(content[: len(content) // 2])

    def header_tr(root: Path) -> None:
        data, image = data_of(root / case.bold)
        image.header["pixdim"][4] *= 1.5
        save(root / case.bold, data, image)

    def mismatched_affine(root: Path) -> None:
        data, image = data_of(root / case.mask)
        save(root / case.mask, data, image, image.affine + np.eye(4, k=3))

    def empty_mask(root: Path) -> None:
        data, image = data_of(root / case.mask)
        save(root / case.mask, np.zeros_like(data), image)

    return {
        "missing run": lambda root: (root / case.bold).unlink(),
        "events longer than the BOLD": lambda root: replace_text(root / case.events, LATE),
        "TR disagrees": header_tr,
        "NaN": with_nan,
        "constant": constant,
        "truncated": truncated,
        "cut while it was copied": cut_stream,
        "mismatched affine": mismatched_affine,
        "empty mask": empty_mask,
        "path that leaves the dataset": lambda root: replace_text(root / case.events, ESCAPE),
        **case.damage,
    }


def replace_text(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def linked_out(table: str) -> Change:
    def damage(root: Path) -> None:
        shutil.copy(root / table, root.parent / "secret.txt")
        (root / table).unlink()
        (root / table).symlink_to(root.parent / "secret.txt")

    return damage


def write_fmriprep(root: Path) -> None:
    bold_tree.write_fmriprep(root)
    with_events(root, bold_tree.RUNS)


def write_minimal(root: Path) -> None:
    synthetic_head.write(root, [synthetic_head.Head(volumes=18), synthetic_head.Head(volumes=3)])
    with_events(root, synthetic_head.RUNS)


def with_events(root: Path, runs: list[str]) -> None:
    (root / "sub-01/func").mkdir(parents=True, exist_ok=True)
    for run in runs:
        (root / f"sub-01/func/sub-01_{run}_events.tsv").write_text(EVENTS)


def write_scan(root: Path) -> None:
    bold_tree.write_volume_table(root)
    (root / "table.txt").write_text("face 0\nhouse 9\nface 50\n")


def fewer_rows(runs: int) -> Change:
    def damage(root: Path) -> None:
        data, image = data_of(root / "bold.nii.gz")
        save(root / "bold.nii.gz", data[..., : 20 * runs], image)
        lines = (root / "table.txt").read_text().splitlines()
        (root / "table.txt").write_text("\n".join(lines[: 20 * runs]))

    return damage


def sidecar_tr(root: Path) -> None:
    synthetic_head.write_sidecar(
        root / f"sub-01/func/sub-01_{synthetic_head.RUNS[0]}_bold.json",
        synthetic_head.Head(),
        RepetitionTime=2.0,
    )


def empty_brain(root: Path) -> None:
    path = root / synthetic_head.HOME / "sub-01/anat/sub-01_desc-brain_mask.nii.gz"
    data, image = data_of(path)
    save(path, np.zeros_like(data), image)


COMMON = {
    "missing run": r"has no file .*sub-01_{run}.*put {run} under `missing:",
    "events longer than the BOLD": r"the events of {run} last until 503 s; it is cut short",
    "TR disagrees": r"the TR is not the same everywhere \(header",
    "NaN": r"hold NaN or infinity",
    "constant": r"no voxel of the mask varies in every run",
    "truncated": r"is truncated or damaged \(.* bytes, its header announces",
    "cut while it was copied": r"is truncated or damaged",
    "mismatched affine": r"does not lie on the grid of",
    "empty mask": r"mask.*is empty",
    "path that leaves the dataset": r"leaves the dataset",
}
FMRIPREP, MINIMAL, SPM = bold_tree.RUNS[0], synthetic_head.RUNS[0], spm_tree.RUNS[0]
MADE = f"{synthetic_head.HOME}/sub-01/func/sub-01_{MINIMAL}"
SPACE = f"{bold_tree.FUNC}/sub-01_{FMRIPREP}_space-{bold_tree.SPACE}_desc"
TABLE_MESSAGES = {"missing run": r"has 2 runs, the descriptor of small lists 3"}

CASES = {
    "fmriprep": Case(
        "readers.fmriprep",
        write_fmriprep,
        bold_tree.fmriprep_dataset(),
        f"{SPACE}-preproc_bold.nii.gz",
        f"{SPACE}-brain_mask.nii.gz",
        f"sub-01/func/sub-01_{FMRIPREP}_events.tsv",
        {"empty mask": r"no voxel lies in the masks of all 2 runs"},
        {},
    ),
    "minimal": Case(
        "readers.fmriprep_minimal",
        write_minimal,
        synthetic_head.dataset(resolution=6.0),
        f"sub-01/func/sub-01_{MINIMAL}_bold.nii.gz",
        f"{MADE}_desc-hmc_boldref.nii.gz",
        f"sub-01/func/sub-01_{MINIMAL}_events.tsv",
        {"mismatched affine": r"hmc_boldref.nii.gz: .* lies elsewhere than .* same run or version"},
        {"TR disagrees": sidecar_tr, "empty mask": empty_brain},
    ),
    "spm": Case(
        "readers.spm",
        spm_tree.write_spm,
        spm_tree.dataset(),
        spm_tree.bold_path(Path(), SPM).as_posix(),
        "roi/sub-01_mask_LH_V2.nii.gz",
        f"sub-01/ses-a/func/sub-01_{SPM}_events.tsv",
        {},
        {},
    ),
    "volume_table": Case(
        "readers.volume_table",
        bold_tree.write_volume_table,
        bold_tree.table_dataset(),
        "bold.nii.gz",
        "mask.nii.gz",
        "table.txt",
        {
            **TABLE_MESSAGES,
            "events longer than the BOLD": r"has 61 rows, but bold.nii.gz has 60 vol",
        },
        {
            "missing run": fewer_rows(2),
            "events longer than the BOLD": lambda root: replace_text(
                root / "table.txt", (root / "table.txt").read_text() + "face 2\n"
            ),
            "path that leaves the dataset": linked_out("table.txt"),
        },
    ),
    "scan": Case(
        "readers.volume_table",
        write_scan,
        bold_tree.table_dataset(
            layout={
                "kind": "scan",
                "bold": "bold.nii.gz",
                "mask": "mask.nii.gz",
                "events": "table.txt",
                "columns": ["trial_type", "onset"],
                "volumes": 20,
            },
            events={"duration": 3.0},
        ),
        "bold.nii.gz",
        "mask.nii.gz",
        "table.txt",
        {
            "missing run": r"has 40 volumes, the descriptor of small lists 3 runs of 20",
            "events longer than the BOLD": r"an event of 3 s at 500 s is not in a scan of 90 s",
        },
        {
            "missing run": fewer_rows(2),
            "events longer than the BOLD": lambda root: replace_text(
                root / "table.txt", "face 0\nhouse 500\n"
            ),
            "path that leaves the dataset": linked_out("table.txt"),
        },
    ),
}
IN_THE_DATA = {"NaN", "constant"}


@pytest.fixture(scope="module", params=CASES)
def sound(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Case, Path]:
    case = CASES[request.param]
    root = tmp_path_factory.mktemp(request.param) / "raw"
    case.write(root)
    return case, root


def fetched(case: Case, root: Path) -> None:
    """What fetching a subject checks: that files are listed, then that they fit together."""
    subject = case.dataset.subjects[0]
    receipt = bold_tree.receipt_of(root, subject)
    files_of(case.dataset, subject, [file.path for file in receipt.files])
    check_subject(bold_tree.check_settings(case.dataset, subject), receipt)


def prepared(case: Case, root: Path, run: str = "") -> None:
    """Write the file of a run, of the first if none is named, beside the dataset."""
    subject, receipt = case.dataset.subjects[0], root.with_name("receipt.json")
    bold_tree.receipt_of(root, subject).write(receipt)
    run = run or case.dataset.runs_of(subject)[0]
    prepare_run(
        bold_tree.bold_settings(case.dataset, subject), run, receipt, root.with_name("run.h5")
    )


@pytest.mark.parametrize("fault", COMMON)
def test_wrong_input_is_told_before_the_heavy_work(
    sound: tuple[Case, Path], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, whole = sound
    root = Path(shutil.copytree(whole, tmp_path / "raw", symlinks=True))
    fetched(case, root)
    damages(case)[fault](root)
    run = case.dataset.runs_of(case.dataset.subjects[0])[0]
    message = case.messages.get(fault, COMMON[fault]).replace("{run}", run)
    if fault in IN_THE_DATA:
        fetched(case, root)
        monkeypatch.setattr("tristream.bold.cleaned.mean_and_tsnr", None)
        module = importlib.import_module(f"tristream.bold.{case.module}")
        monkeypatch.setattr(module, "resample", None, raising=False)
    told = prepared if fault in IN_THE_DATA else fetched
    with pytest.raises(UserError, match=message) as raised:
        told(case, root)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run.h5").exists()


def test_a_run_that_the_subject_does_not_have(sound: tuple[Case, Path]) -> None:
    case, root = sound
    subject, runs = case.dataset.subjects[0], case.dataset.runs_of(case.dataset.subjects[0])
    message = f"{case.dataset.id}: sub-{subject} has no run run-99: {', '.join(runs)}"
    with pytest.raises(UserError, match=re.escape(message)):
        prepared(case, root, "run-99")


def test_sound_files_are_prepared(sound: tuple[Case, Path]) -> None:
    prepared(*sound)
    assert sound[1].with_name("run.h5").exists()


def test_a_fault_is_found_by_the_check_of_the_subject(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "raw"
    write_fmriprep(root)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "x", "License": "CC0"}))
    content = {
        **bold_tree.fmriprep_dataset().model_dump(mode="json", exclude_unset=True),
        "source": {"kind": "folder", "path": str(root)},
    }
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets/small.yaml").write_text(yaml.safe_dump(content))
    study = {
        "datasets": ["small"],
        "features": {"acoustics": {"stream": "auditory", "extractor": "acoustics"}},
        "models": {"one": {"datasets": ["small"], "bands": {"auditory": ["acoustics"]}}},
        "data": str(tmp_path / "data"),
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(study))
    common = ["--config", str(tmp_path / "config.yaml"), "--datasets", str(tmp_path / "datasets")]
    listing, receipt = tmp_path / "dataset.json", tmp_path / "receipt.json"
    assert main(["fetch", "dataset", *common, "--dataset", "small", "--output", str(listing)]) == 0
    call = ["fetch", "subject", *common, "--dataset", "small", "--subject", "01"]
    assert main([*call, "--listing", str(listing), "--output", str(receipt)]) == 0
    checked = tmp_path / "checked.json"
    call = ["bold", "check", *common, "--dataset", "small", "--subject", "01"]
    call += ["--receipt", str(receipt), "--output", str(checked)]
    tables = [f"--{name}={tmp_path / name}.tsv" for name in ("inventory", "splits")]
    called = ["stimuli", "inventory", *common, "--dataset", "small", "--listing", str(listing)]
    assert main([*called, *tables]) == 0
    call += [tables[0]]
    replace_text(root / CASES["fmriprep"].events, LATE)
    assert main(call) == 2
    assert "last until 503 s" in capsys.readouterr().err
    assert not checked.exists()
    replace_text(root / CASES["fmriprep"].events, EVENTS)
    assert main(call) == 0
    assert checked.exists()


def test_a_file_of_several_joined_is_whole(tmp_path: Path) -> None:
    """The last of them alone says its length."""
    rng = np.random.default_rng(0)
    plain = tmp_path / "bold.nii"
    nib.save(nib.Nifti1Image(rng.integers(0, 9, (8, 8, 8, 20), np.int16), np.eye(4)), plain)
    content = plain.read_bytes()
    check_whole(plain, open_image(plain, 4))
    joined = tmp_path / "bold.nii.gz"
    joined.write_bytes(gzip.compress(content[:5000]) + gzip.compress(content[5000:]))
    check_whole(joined, open_image(joined, 4))
    joined.write_bytes(gzip.compress(content[:5000]) + gzip.compress(content[5000:-50]))
    with pytest.raises(UserError, match=r"bold.nii.gz: is truncated or damaged"):
        check_whole(joined, open_image(joined, 4))
    plain.write_bytes(content[:-50])
    with pytest.raises(UserError, match=r"bold.nii: is truncated or damaged"):
        check_whole(plain, open_image(plain, 4))
