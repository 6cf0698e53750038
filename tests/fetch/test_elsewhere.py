"""What lies elsewhere: derivatives of their own, mirrors, stimuli that only the user has."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers.event_tables import timelines_of
from helpers.fetched import fetch_dataset, fetch_stimuli, fetch_subject
from tristream.cli import main
from tristream.config.events import EventReading
from tristream.config.load import Resolved, resolve
from tristream.config.sources import DataladSource
from tristream.errors import UserError
from tristream.fetch.plan import plan_dataset
from tristream.fetch.receipt import Receipt
from tristream.fetch.steps import drop
from tristream.fetch.stimulus_files import stimulus_status
from tristream.stimuli.inventory import stimulus_list
from tristream.stimuli.subject_timelines import without_absent

RUN = "task-music_run-01"
HMC = "from-orig_to-boldref_mode-image_desc-hmc_xfm.txt"
EVENTS = "onset\tduration\tgenre\ttrack\tstart\n0\t5\t'rock'\t7\t1.5\n5\t5\trock'\t9\t0\n"


@pytest.fixture
def study(program, tmp_path: Path) -> Resolved:
    """Raw data and fMRIPrep's minimal outputs in two repositories; two sounds, of which one is."""
    raw = {"dataset_description.json": '{"Name": "Music"}'}
    start = f"sub-01/func/sub-01_{RUN}"
    for number in ("01", "02", "03"):
        raw[f"{start[:-2]}{number}_bold.nii"] = f"raw {number} " * 50
        raw[f"{start[:-2]}{number}_events.tsv"] = EVENTS
    made = {"dataset_description.json": '{"Name": "fMRIPrep"}'}
    for number in ("01", "02", "03"):
        for end in (
            HMC,
            "from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt",
            "desc-hmc_boldref.nii.gz",
            "desc-coreg_boldref.nii.gz",
        ):
            made[f"{start[:-2]}{number}_{end}"] = f"{end} {number}"
    made[f"{start}_from-boldref_to-auto00001_mode-image_xfm.txt"] = "field"
    made["sub-01/fmap/sub-01_run-01_fmapid-auto00001_desc-coeff0_fieldmap.nii.gz"] = "coefficients"
    made["sub-01/fmap/sub-01_run-02_fmapid-auto00002_desc-coeff0_fieldmap.nii.gz"] = "another's"
    made["sub-01/anat/sub-01_desc-brain_mask.nii.gz"] = "mask"
    for name, files in (("raw", raw), ("made", made)):
        program(tmp_path, "datalad", "-l", "critical", "create", "-c", "text2git", name)
        for path, text in files.items():
            place = tmp_path / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text.encode() + (b"\0\xff" if ".nii" in path else b""))
        program(tmp_path / name, "datalad", "-l", "critical", "save", "-m", "Make it")
        program(tmp_path / name, "git", "tag", "1.0.0")
    sounds = tmp_path / "gtzan" / "rock"
    sounds.mkdir(parents=True)
    soundfile.write(sounds / "rock.00007.wav", np.zeros(22050 * 8), 22050)
    (sounds / "notes.txt").write_text("not needed")
    descriptors = tmp_path / "workflow" / "datasets"
    descriptors.mkdir(parents=True)
    described = {
        "id": "music",
        "title": "Music",
        "licence": "CC0",
        "citation": "none",
        "source": {"kind": "datalad", "url": "https://nowhere.invalid/raw", "commit": "1.0.0"},
        "derivatives": {"kind": "datalad", "url": "https://nowhere.invalid/m", "commit": "1.0.0"},
        "layout": {"kind": "fmriprep_minimal"},
        "tr": 1.5,
        "subjects": ["01"],
        "runs": ["task-music_run-{01..03}"],
        "events": {
            "label": "genre",
            "stimulus": "{genre}.{track:05}",
            "media_start": ["start"],
        },
        "stimuli": {"get": "ask for GTZAN", "table": "music.tsv"},
        "split": {"scheme": "leave-one-run-out"},
        "exchange": {"unit": "item"},
    }
    (descriptors / "music.yaml").write_text(json.dumps(described))
    (descriptors / "music.tsv").write_text(
        "stimulus\tkind\tpath\tmatch\n"
        "rock_7\tsound\trock/rock.00007.wav\trock.00007\n"
        "rock_9\tsound\trock/rock.00009.wav\trock.00009\n"
    )
    return resolved(tmp_path)


def resolved(folder: Path, **more: object) -> Resolved:
    content = {
        "data": str(folder / "data"),
        "datasets": {
            "music": {
                "source": {"url": str(folder / "raw")},
                "derivatives": {"url": str(folder / "made")},
                **more,
            }
        },
    }
    (folder / "config.yaml").write_text(json.dumps(content))
    return resolve(content, folder / "config.yaml", [folder / "workflow/datasets"])


def test_derivatives_of_their_own_lie_where_the_layout_says(study, tmp_path):
    plan = plan_dataset(study, "music")
    assert len(plan.files) == 3 + 3 + 2  # BOLD and reference of each run, T1w and mask
    listed = fetch_dataset(study, "music")
    listed.write(tmp_path / "listed.json")
    receipt = fetch_subject(study, "music", "01", Receipt.read(tmp_path / "listed.json"))
    receipt.write(tmp_path / "receipt.json")
    receipt = Receipt.read(tmp_path / "receipt.json")
    home = f"derivatives/fmriprep/sub-01/func/sub-01_{RUN}"
    assert receipt.path(f"{home}_{HMC}").read_text() == f"{HMC} 01"
    assert receipt.path(f"sub-01/func/sub-01_{RUN}_bold.nii").read_bytes().startswith(b"raw 01")
    fields = receipt.find("_fieldmap.nii.gz")
    assert [path.split("_fmapid-")[1][:9] for path in fields] == ["auto00001"]
    data, derivatives = receipt.methods
    own, other = receipt.commit.split("+")
    place = "obtained with DataLad [@halchenko2021] from a local repository at commit"
    assert data.startswith(f"Data were {place} {own[:12]};")
    assert derivatives.startswith(f"Derivatives were {place} {other[:12]};")
    assert plan_dataset(study, "music").files == ()

    # `keep_raw: false`: content of both repositories goes, and comes again.
    annexed = sorted(file.path for file in receipt.files if file.annexed)
    assert any(path.startswith("derivatives/") for path in annexed)
    dropped = drop([receipt])
    assert (list(dropped.files), dropped.kept) == (annexed, ())
    assert not any((receipt.root / path).exists() for path in annexed)
    assert {path for path, _ in plan_dataset(study, "music").files} == set(annexed)
    assert fetch_subject(study, "music", "01", listed).files == receipt.files


def test_content_of_derivatives_is_accepted_by_its_whole_path(study, tmp_path):
    path = f"derivatives/fmriprep/sub-01/func/sub-01_{RUN}_desc-hmc_boldref.nii.gz"
    checksum = "md5:" + "0" * 32
    given = resolved(tmp_path, accept={path: checksum})
    listed = fetch_dataset(given, "music")
    # Its content agrees with its key, so there is nothing to accept.
    assert fetch_subject(given, "music", "01", listed).omitted == ()
    with pytest.raises(UserError, match=r"music\.accept: the dataset has no file sub-01/x"):
        fetch_dataset(resolved(tmp_path, accept={"sub-01/x": checksum}), "music")
    with pytest.raises(UserError, match=r"datasets\.music\.accept"):
        resolved(tmp_path, accept={path: "whatever"})


def test_a_mirror_of_what_is_no_datalad_dataset_is_refused(study, tmp_path):
    descriptor = tmp_path / "workflow/datasets/music.yaml"
    described = json.loads(descriptor.read_text()) | {"source": {"kind": "folder", "path": "."}}
    descriptor.write_text(json.dumps(described))
    with pytest.raises(UserError, match=r"datasets\.music\.source: .* not a DataLad dataset"):
        resolved(tmp_path)
    # A synthetic dataset takes the place of a folder: at a commit.
    synthetic = {"url": "synthetic/raw", "commit": "a" * 40}
    found = resolved(tmp_path, source=synthetic).datasets["music"].source
    assert found == DataladSource(**synthetic)


def test_stimuli_that_the_user_has_to_name(study, tmp_path):
    with pytest.raises(UserError, match=r"ask for GTZAN; name your folder in `datasets\.music"):
        fetch_stimuli(study, "music")
    with pytest.raises(UserError, match=r"stimuli: no such folder .*ask for GTZAN"):
        resolved(tmp_path, stimuli=str(tmp_path / "nowhere"))


def test_missing_stimuli_stop_or_drop_their_events(study, tmp_path, capsys):
    given = resolved(tmp_path, stimuli=str(tmp_path / "gtzan"))
    with pytest.raises(UserError, match=r"1 of 2 stimuli of music are missing .*00009\.wav\), 1 f"):
        fetch_stimuli(given, "music")
    assert stimulus_status(given, "music") == [
        ("rock/rock.00007.wav", "rock_7", "present"),
        ("rock/rock.00009.wav", "rock_9", "missing"),
        ("rock/notes.txt", "", "unneeded"),
    ]
    config = str(tmp_path / "config.yaml")
    folder = str(tmp_path / "workflow/datasets")
    words = ["fetch", "status", "--dataset", "music", "--config", config, "--datasets", folder]
    assert main(words) in (0, None)
    assert "rock/rock.00009.wav\trock_9\tmissing" in capsys.readouterr().out

    given = resolved(tmp_path, stimuli=str(tmp_path / "gtzan"), missing_stimuli="drop")
    receipt = fetch_stimuli(given, "music")
    assert [o.what for o in receipt.omitted] == ["rock/rock.00009.wav"]
    listing = fetch_dataset(given, "music")
    dataset = given.datasets["music"]
    timelines = without_absent(
        EventReading.of(dataset), timelines_of(dataset, ["01"], listing), receipt
    )
    first, second = timelines["main"][RUN]
    assert (first.kind, first.keep, first.label, first.item) == (
        "sound",
        True,
        "rock",
        "rock_7@1.5",
    )
    assert (second.kind, second.keep, second.label) == ("label", False, "rock")
    (found,) = stimulus_list(EventReading.of(dataset), receipt)
    assert found.stimulus == "rock_7"
