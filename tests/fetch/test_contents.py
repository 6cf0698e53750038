"""Which files a subject needs, folders read in place, and the plan of what is to come."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.fetched import fetch_dataset, fetch_stimuli, fetch_subject, files_of
from tristream.cli import main
from tristream.cli.plan import jobs_of
from tristream.config.dataset import Dataset
from tristream.config.load import resolve
from tristream.config.sources import FolderSource
from tristream.errors import UserError
from tristream.fetch.contents import inherited, run_files
from tristream.fetch.plan import human, plan_dataset
from tristream.fetch.receipt import Receipt, says_simulated
from tristream.fetch.sources import open_origin
from tristream.hashing import hash_file

RUNS = ["ses-1_task-film_run-1", "ses-2_task-film_run-1"]


def dataset(**changes: object) -> Dataset:
    described = {
        "id": "tiny",
        "title": "Tiny",
        "licence": "CC0",
        "citation": "none",
        "source": {"kind": "folder", "path": "nowhere"},
        "layout": {"kind": "fmriprep", "space": "MNI", "derivatives": "made"},
        "tr": 1.0,
        "subjects": ["01"],
        "runs": RUNS,
        "split": {"scheme": "holdout", "test": ["ses-2*"]},
        "exchange": {"unit": "time"},
    }
    return Dataset.model_validate({**described, **changes})


LISTED = [
    "dataset_description.json",
    "task-film_bold.json",
    "task-other_bold.json",
    "sub-01/ses-1/func/sub-01_ses-1_task-film_run-1_bold.json",
    *(
        path
        for ses in ("ses-1", "ses-2")
        for name in [f"sub-01/{ses}/func/sub-01_{ses}_task-film_run-1"]
        for path in (
            f"{name}_events.tsv",
            f"{name}_bold.nii.gz",
            f"made/{name}_space-MNI_desc-preproc_bold.nii.gz",
            f"made/{name}_space-T1w_desc-preproc_bold.nii.gz",
            f"made/{name}_space-MNI_desc-brain_mask.nii.gz",
            f"made/{name}_desc-confounds_timeseries.tsv",
            f"made/{name}_desc-confounds_timeseries.json",
        )
    ),
]


def test_the_files_of_a_subject_and_no_others():
    wanted = files_of(dataset(), "01", LISTED)
    left_out = {path for path in LISTED if path not in wanted}
    assert {Path(path).name for path in left_out} == {
        "task-other_bold.json",
        "sub-01_ses-1_task-film_run-1_bold.nii.gz",
        "sub-01_ses-2_task-film_run-1_bold.nii.gz",
        "sub-01_ses-1_task-film_run-1_space-T1w_desc-preproc_bold.nii.gz",
        "sub-01_ses-2_task-film_run-1_space-T1w_desc-preproc_bold.nii.gz",
    }
    assert wanted.count("task-film_bold.json") == 1


@pytest.mark.parametrize("suffix", ["preproc_bold.nii.gz", "brain_mask.nii.gz", "_events.tsv"])
def test_an_absent_file_is_named_with_the_remedy(suffix):
    absent = next(p for p in LISTED if p.endswith(suffix) and "ses-2" in p and "T1w" not in p)
    listed = [path for path in LISTED if path != absent]
    with pytest.raises(UserError, match=rf"{absent}.*sub-01 lacks.*{RUNS[1]} under `missing: "):
        files_of(dataset(), "01", listed)
    without = dataset(missing={"01": [RUNS[1]]})
    assert not any("ses-2" in path for path in files_of(without, "01", listed))


def test_confounds_are_needed_only_if_they_are_used():
    listed = [path for path in LISTED if not path.endswith("timeseries.tsv")]
    with pytest.raises(UserError, match="timeseries"):
        files_of(dataset(), "01", listed)
    layout = {"kind": "fmriprep", "space": "MNI", "derivatives": "made", "confounds": []}
    assert files_of(dataset(layout=layout), "01", listed)


def test_sidecars_are_inherited_from_general_to_special():
    target = run_files(dataset().layout, "01", RUNS[0]).events.replace("_events.tsv", "_bold.json")
    assert inherited(target, LISTED) == [LISTED[1], LISTED[3]]


@pytest.mark.parametrize(
    ("described", "simulated"),
    [
        ({}, False),
        ({"Simulated": True}, True),
        ({"Simulated": "no"}, False),
        ({"GeneratedBy": [{"Name": "fMRIPrep"}, {"Name": "tristream simulate"}]}, True),
        ({"GeneratedBy": "tristream simulate"}, False),
    ],
)
def test_a_dataset_says_itself_that_it_is_simulated(described, simulated):
    assert says_simulated(described) is simulated


@pytest.fixture
def folder_study(tmp_path: Path) -> Path:
    """A study of one slice in the user's own folder, with a sound beside it."""
    for name in ("bold.nii.gz", "labels.txt", "sounds/a.wav", "unused.bin"):
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    source = {"kind": "folder", "path": str(tmp_path / "mine")}
    descriptor = dataset(
        source=source,
        layout={"kind": "volume_table", "bold": "bold.nii.gz", "table": "labels.txt"},
        stimuli={
            "source": source,
            "table": [{"stimulus": "a", "kind": "sound", "path": "sounds/a.wav"}],
        },
    )
    (tmp_path / "descriptors").mkdir()
    text = json.dumps(descriptor.model_dump(mode="json"))  # JSON is YAML
    (tmp_path / "descriptors" / "tiny.yaml").write_text(text)
    config = {"datasets": ["tiny"], "data": str(tmp_path / "data"), "results": str(tmp_path / "r")}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    return tmp_path


def test_a_folder_is_read_in_place_by_command(folder_study):
    def run(action: str, output: str) -> Receipt:
        common = ["--config", str(folder_study / "config.yaml"), "--dataset", "tiny"]
        common += ["--datasets", str(folder_study / "descriptors")]
        path = str(folder_study / output)
        assert main(["fetch", action, *common, "--output", path, "--code", "c0de"]) == 0
        return Receipt.read(path)

    listed = run("dataset", "dataset.json")
    assert [file.path for file in listed.files] == [
        *("bold.nii.gz", "labels.txt", "unused.bin", "sounds/a.wav")
    ]
    content = json.loads((folder_study / "config.yaml").read_text())
    resolved = resolve(content, folder_study / "config.yaml", [folder_study / "descriptors"])
    subject = fetch_subject(resolved, "tiny", "01", listed, "c0de")
    assert (subject.simulated, subject.subject, subject.code) == (False, "01", "c0de")
    # Disk for results is judged by what lies in the folder.
    read = [folder_study / "mine" / file.path for file in subject.files]
    planned = plan_dataset(resolved, "tiny")
    assert (planned.download, planned.present) == (0, sum(p.stat().st_size for p in read))
    bold = subject.path("bold.nii.gz")
    assert bold == folder_study / "mine" / "bold.nii.gz"
    assert subject.files[0].checksum == f"sha256:{hash_file(bold)}"
    assert "no version pins" in subject.methods[0]
    with pytest.raises(UserError, match="not in the receipt"):
        subject.path("unused.bin")
    stimuli = run("stimuli", "stimuli.json")
    assert stimuli.find(".wav") == ["sounds/a.wav"]
    assert not (folder_study / "data").exists(), "nothing is copied"


def test_folders_and_files_that_are_not_there(folder_study, tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        open_origin(FolderSource(path=str(tmp_path / "no")), "tiny", tmp_path).listing()
    content = json.loads((folder_study / "config.yaml").read_text())
    resolved = resolve(content, folder_study / "config.yaml", [folder_study / "descriptors"])
    listed = fetch_dataset(resolved, "tiny")
    (folder_study / "mine" / "labels.txt").unlink()
    with pytest.raises(UserError, match=r"labels\.txt: is gone"):
        fetch_subject(resolved, "tiny", "01", listed)
    with pytest.raises(UserError, match=r"tiny: has no file labels\.txt; fix `layout`"):
        fetch_subject(resolved, "tiny", "01", fetch_dataset(resolved, "tiny"))
    (folder_study / "mine" / "sounds" / "a.wav").unlink()
    with pytest.raises(
        UserError, match=r"1 of 1 stimuli of tiny are missing \(sounds/a\.wav\), 2 files"
    ):
        fetch_stimuli(resolved, "tiny")
    with pytest.raises(UserError, match="datasets: there is no 'other' in the study; it has tiny"):
        fetch_dataset(resolved, "other")


def test_the_plan_reads_snakemakes_dry_run(tmp_path):
    rules = ["rule all:\n    input: 'd'\n"]
    for made, needs, stage, threads, memory in (
        ("a", [], "fetch", 1, 500),
        ("b", ["a"], "features", 2, 3000),
        ("c", ["a"], "features", 1, 4000),
        ("d", ["b", "c"], "predict", 1, 100),
    ):
        rules.append(
            f"rule make_{made}:\n    input: {needs!r}\n    output: {made!r}\n"
            f"    threads: {threads}\n    resources: mem_mb={memory}\n"
            f"    shell: 'python -m tristream {stage} x > {{output}}'\n"
        )
    (tmp_path / "Snakefile").write_text("".join(rules))
    call = [sys.executable, "-m", "snakemake", "--dry-run", "--printshellcmds", "--cores", "4"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = jobs_of(done.stdout + done.stderr)
    assert {name: (j.jobs, j.memory, j.threads) for name, j in found.items()} == {
        "fetch": (1, 500, 1),
        "features": (2, 4000, 2),
        "encode": (1, 100, 1),
    }
    assert list(found) == ["fetch", "features", "encode"]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (58_431_438, "58.4 MB"), (4.65e10, "46.5 GB")],
)
def test_bytes_for_people(size, text):
    assert human(int(size)) == text


def test_a_linked_folder_of_a_subject_is_told(tmp_path):
    true, link = tmp_path / "disk/sub-01", tmp_path / "study/sub-01"
    for path in (*LISTED, "stimuli.txt"):
        place = tmp_path / ("disk" if path.startswith("sub-01") else "study") / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("")
    link.symlink_to(true)
    source = FolderSource(path=str(tmp_path / "study"))
    listed = [file.path for file in open_origin(source, "tiny", tmp_path).listing().files]
    with pytest.raises(UserError, match=r"_events\.tsv: sub-01 is a link to a folder, which is n"):
        files_of(dataset(), "01", listed)
