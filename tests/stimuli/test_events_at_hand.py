"""Events that lie in a clone are read before anything runs; nothing else is asked for."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers import REPOSITORY
from helpers.small_study import environment
from helpers.tiny_dataset import Program, make_dataset, save, study
from tristream.cli import main
from tristream.config.load import load
from tristream.config.settings.fetch import FetchDatasetSettings
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.fetch.steps import fetch_dataset
from tristream.stimuli.events_at_hand import check_events, known_later, samples_at_hand


def test_events_in_a_clone_are_read_at_the_pinned_commit_alone(
    program: Program, tmp_path: Path
) -> None:
    root = tmp_path / "upstream"
    first = make_dataset(program, root)
    faulty = study(tmp_path, str(root), commit=first)
    assert check_events(faulty, "tiny") is None, "nothing is cloned for a plan"
    assert samples_at_hand(faulty, "tiny") == {}
    (line,) = known_later(faulty, "tiny", None)
    assert line.startswith("tiny: not fetched yet, so its events, runs and sidecars are checked by")
    fetch_dataset(FetchDatasetSettings.of(faulty, dataset="tiny"))
    with pytest.raises(UserError, match=r"run-1_events\.tsv: has neither trial_type nor stim_file"):
        check_events(faulty, "tiny")
    assert samples_at_hand(faulty, "tiny") == {}
    for path in root.glob("sub-01/func/*_events.tsv"):
        path.write_text("onset\tduration\ttrial_type\n0\t1\tface\n")
    second = save(program, root, "Say what was shown")
    corrected = study(tmp_path, str(root), commit=second)
    assert check_events(corrected, "tiny") is None, "the clone is at another commit"
    fetch_dataset(FetchDatasetSettings.of(corrected, dataset="tiny"))
    listing = check_events(corrected, "tiny")  # its HEAD is a commit now, and was a branch
    assert listing is not None
    assert listing.commit == second
    assert set(samples_at_hand(corrected, "tiny")["main"].values()) == {1}
    assert check_events(study(tmp_path, str(root), commit=first), "tiny") is None


def test_events_of_an_archive_are_read_where_it_is_unpacked(haxby: Path, tmp_path: Path) -> None:
    """By the descriptor that ships, and one whose runs are not those of the table."""
    cache = haxby.parents[3]
    (tmp_path / "workflow/datasets").mkdir(parents=True)
    shipped = (REPOSITORY / "workflow/datasets/haxby2001_slice.yaml").read_text()
    own = tmp_path / "workflow/datasets/haxby2001_slice.yaml"
    config = tmp_path / "config.yaml"

    def listed(data: Path, descriptor: str) -> Receipt | None:
        own.write_text(descriptor)
        config.write_text(yaml.safe_dump({"datasets": ["haxby2001_slice"], "data": str(data)}))
        return check_events(load(config, own.parent), "haxby2001_slice")

    assert listed(tmp_path / "empty", shipped) is None
    found = listed(cache, shipped)
    assert found is not None
    assert "mvpa2/data/attributes_literal.txt" in found.listed
    with pytest.raises(UserError, match="has 12 runs, the descriptor of haxby2001_slice lists 11"):
        listed(cache, shipped.replace("{01..12}", "{01..11}"))


def test_it_is_cheap_to_import() -> None:
    """Every dry run does."""
    code = "import sys, tristream.stimuli.events_at_hand; print(*sys.modules)"
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, env=environment(), capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded & {"pandas", "scipy", "nibabel", "av", "h5py", "torch", "nilearn"} == set()


def test_what_is_known_after_fetching_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the demo: a film from an archive, and BOLD that is still to be simulated."""
    config = tmp_path / "config.yaml"
    demo = (REPOSITORY / "config.yaml").read_text()
    config.write_text(demo.replace("\ndata: data ", f"\ndata: {tmp_path / 'nothing'} "))
    assert main(["config", "check", "--config", str(config)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert any(
        line.startswith("not known yet: bunny: lengths and tracks of films and sounds")
        for line in told
    )
    assert any(line.startswith("not known yet: haxby2001_slice: not fetched yet") for line in told)
