"""The descriptors of the four OpenNeuro datasets, on the real events.

A sample of the real events is kept in tests/data; test_datasets_repositories.py reads all of them.
"""

import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from helpers import REPOSITORY
from helpers.event_tables import splits_of, timelines_of
from tristream.config.dataset import Dataset
from tristream.config.events import Events
from tristream.config.leakage import Leakage
from tristream.config.load import descriptor
from tristream.config.runs import Exchange
from tristream.config.settings.stimuli import LeakageSettings
from tristream.errors import UserError
from tristream.fetch.contents import inherited, run_files
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.stimuli.leakage import audit, units_of
from tristream.stimuli.order_across import order_across
from tristream.stimuli.order_baseline import order_baseline
from tristream.stimuli.tables import Inventory, Splits, inventory_table
from tristream.store import Provenance

REPO = REPOSITORY
DESCRIPTORS = REPO / "workflow" / "datasets"
SAMPLE = {
    "ds003720": ["001", "002"],
    "ds001246": ["01"],
    "ds003717": ["01", "02"],
    "ds000105": ["1", "5"],
}


def described(name: str) -> Dataset:
    return descriptor(name, [DESCRIPTORS], Path("config.yaml"))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the real events of a few subjects of each dataset."""
    folder = tmp_path_factory.mktemp("openneuro")
    shutil.unpack_archive(REPO / "tests/data/openneuro_events.tar.gz", folder)
    return folder


def listed(root: Path, name: str) -> Receipt:
    files = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    return Receipt(
        name, None, {}, "", root, name, "", tuple(FetchedFile(p, 0) for p in files), False
    )


def inventory(dataset: Dataset, subjects: list[str], listing: Receipt) -> pd.DataFrame:
    """Events of all runs with their split."""
    timelines = timelines_of(dataset, subjects, listing)
    table = inventory_table(timelines, dataset.exchange)
    return table.merge(splits_of(dataset, subjects, timelines), on=["timeline", "run"])


@pytest.fixture(scope="module")
def tables(sample: Path) -> dict[str, pd.DataFrame]:
    return {
        name: inventory(described(name), subjects, listed(sample / name, name))
        for name, subjects in SAMPLE.items()
    }


def samples(table: pd.DataFrame, split: str) -> pd.DataFrame:
    return table[table["keep"] & (table["split"] == split)]


def repeats(table: pd.DataFrame) -> Counter:
    """How many items are shown how many times."""
    return Counter(table["item"].value_counts().tolist())


def test_music_counts_clips_once_they_are_not_carried_over(tables):
    table = tables["ds003720"]
    assert len(table) == 18 * 41
    train, test = samples(table, "train"), samples(table, "test")
    assert repeats(train) == {1: 480}
    assert repeats(test) == {4: 60}
    assert set(train["label"].value_counts()) == {48}
    assert set(test.drop_duplicates("item")["label"].value_counts()) == {6}
    assert not set(train["stimulus"]) & set(test["stimulus"])
    # All four repeats of a test clip lie in one run.
    assert (test.groupby("item")["run"].nunique() == 1).all()
    # Row 0 was heard, so it is there; it is no sample.
    first = table[table["trial"] == 1]
    assert len(first) == 18
    assert not first["keep"].any()
    assert (first["onset"] == 0).all()


def test_carried_over_clips_are_those_of_the_run_before(tables):
    table = tables["ds003720"].set_index(["run", "trial"])
    for number in range(2, 13):
        carried = table.loc[(f"task-Training_run-{number:02}", 1)]
        assert carried["item"] == table.loc[(f"task-Training_run-{number - 1:02}", 41), "item"]


def test_stray_quotes_are_no_part_of_a_genre(tables):
    assert len(tables["ds003720"]["label"].unique()) == 10
    assert not tables["ds003720"]["label"].str.contains("'").any()


def test_events_with_other_line_ends_and_none_at_the_last_line(sample, tables):
    path = sample / "ds003720/sub-001/func/sub-001_task-Training_run-04_events.tsv"
    raw = path.read_bytes()
    assert raw.count(b"\r\n") == 41
    assert not raw.endswith(b"\n")
    # Three of its rows lack the opening quote, the last one too.
    assert sum(b"'" in row and b"\t'" not in row for row in raw.splitlines()) == 3
    own = tables["ds003720"].query("run == 'task-Training_run-04'")
    assert own["stimulus"].tolist()[-3:] == ["classical_00037", "jazz_00058", "metal_00097"]


def test_the_corrupt_sound_is_not_asked_for():
    table = described("ds003720").stimuli.table
    assert len(table) == 540
    assert "jazz/jazz.00054.wav" not in {row.path for row in table}


def test_media_start_is_the_excerpts_start(tables):
    table = tables["ds003720"]
    row = table[(table["run"] == "task-Training_run-12") & (table["stimulus"] == "pop_00049")]
    # Its `end` says 14.99 s; the clip was played for 15 s like all others.
    assert row["media_start"].tolist() == [9.59]
    assert row["duration"].tolist() == [15]
    assert (row["kind"] == "sound").all()
    assert (row["duration"] == 15).all()
    assert table["media_start"].between(0, 16).all()
    assert table["media_start"].nunique() > 300


def test_objects_counts_leave_one_backs_out(tables):
    table = tables["ds001246"]
    seen = table[table["kind"] == "image"]
    assert len(seen[seen["split"] == "train"]) == 1320
    assert len(seen[seen["split"] == "test"]) == 1925
    # Five a run are modelled and are no samples.
    dropped = seen[~seen["keep"]].groupby("run").size()
    assert set(dropped) == {5}
    assert repeats(samples(table, "train")) == {1: 1200}
    imagined = samples(table, "test")["kind"] == "label"
    assert repeats(samples(table, "test")[~imagined]) == {35: 50}
    assert repeats(samples(table, "test")[imagined]) == {10: 50}


def test_objects_categories_are_disjoint_and_imagery_has_those_of_the_test(tables):
    table = tables["ds001246"]
    train, test = samples(table, "train"), samples(table, "test")
    assert set(train["label"].value_counts()) == {8}
    assert train["label"].nunique() == 150
    assert not set(train["label"]) & set(test["label"])
    imagined = test[test["kind"] == "label"]
    assert set(imagined["label"]) == set(test[test["kind"] == "image"]["label"])
    assert (imagined["duration"] == 15).all()
    # Cues and evaluations are modelled; rest is no event.
    assert len(table[(table["kind"] == "label") & ~table["keep"]]) == 2 * len(imagined)


def test_images_are_known_by_name_not_by_a_number_that_is_written_in_two_ways(sample):
    written: dict[str, set[str]] = {}
    indices: dict[str, dict[str, set[str]]] = {"Training": {}, "Test": {}}
    for path in sorted((sample / "ds001246").rglob("*task-perception*_events.tsv")):
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        shown = table[table["event_type"] == "stimulus"]
        kind = "Training" if "Training" in path.name else "Test"
        for row in shown.itertuples():
            written.setdefault(row.stimulus_name, set()).add(row.stimulus_id)
            category = row.stimulus_name.split("_")[0]
            indices[kind].setdefault(row.category_index, set()).add(category)
    assert {"1621127.019020", "1621127.01902"} >= written["n01621127_19020"]
    assert len({name for name, ids in written.items() if len({float(i) for i in ids}) > 1}) == 0
    # The index restarts: the same number is one category in training and another in the test.
    both = set(indices["Training"]) & set(indices["Test"])
    assert len(both) == 50
    assert not any(indices["Training"][n] & indices["Test"][n] for n in both)
    names = {row.match for row in described("ds001246").stimuli.table}
    assert set(written) == names


def test_runs_of_objects_last_as_long_as_the_scans_should(sample):
    for task, seconds, rows in (("perception", 534, 57), ("imagery", 639, 102)):
        path = next((sample / "ds001246").rglob(f"*task-{task}*_events.tsv"))
        table = pd.read_csv(path, sep="\t")
        assert len(table) == rows
        assert table["onset"].iloc[-1] + table["duration"].iloc[-1] == seconds


def test_words_rest_where_the_condition_is_called_null(sample, tables):
    own = tables["ds003717"].query("timeline == 'sub01'")
    counts = own["label"].value_counts().to_dict()
    singly = {"events": Events(duration=1.5), "exchange": Exchange(unit="item")}
    every = described("ds003717").model_copy(update=singly)
    listing = listed(sample / "ds003717", "ds003717")
    assert (inventory(every, ["01"], listing)["label"] == "NULL").sum() == 150
    assert counts == {
        "A_Quiet": 50,
        "AV_Quiet": 50,
        "AV_0_SNR": 50,
        "AV_n5_SNR": 50,
        "AV_n10_SNR": 50,
        "AV_p5_SNR": 49,
        "V_only_Quiet_InScanner": 49,
        "Reading_Aloud": 47,
    }
    # The column is shifted by a row; a clip lasts 1.5 s. Onsets are multiples of the TR.
    assert (own["duration"] == 1.5).all()
    assert ((own["onset"] / described("ds003717").tr) % 1).round(3).isin([0, 1]).all()


def test_words_change_places_in_groups_of_one_condition(tables):
    """Each half of a run has five words of every condition, in another order."""
    own = tables["ds003717"].query("run != 'task-SESS06'")
    groups = own.groupby(["timeline", "run", "unit"], sort=False)["label"]
    assert (groups.nunique() == 1).all()
    assert set(groups.size()) <= {4, 5}
    for _, labels in groups.first().groupby(["timeline", "run"], sort=False):
        assert len(labels) == 14
        assert labels.iloc[:7].nunique() == labels.iloc[7:].nunique() == 7


def test_faces_and_houses_come_in_blocks(tables):
    table = tables["ds000105"]
    for timeline, runs in (("sub1", 12), ("sub5", 11)):
        own = table[table["timeline"] == timeline]
        assert own["run"].nunique() == runs
        assert len(own) == 96 * runs
        first = own.groupby("unit")["onset"].min().groupby(lambda unit: unit.split("/")[0])
        assert all(sorted(o) == [12, 48, 84, 120, 156, 192, 228, 264] for _, o in first)
        assert own["label"].nunique() == 8


def test_a_missing_run_is_one_line(sample):
    dataset = described("ds000105").model_copy(update={"missing": {}})
    with pytest.raises(UserError, match=r"no events file sub-5_task-objectviewing_run-12_events"):
        timelines_of(dataset, ["5"], listed(sample / "ds000105", "ds000105"))


def test_order_gives_away_nothing_that_it_should_not(tables):
    """Blocks of ds000105 come in another order in each run: time alone finds no label."""
    table = tables["ds000105"]
    own = table[table["timeline"] == "sub1"]
    runs = own.drop_duplicates("run")[["run", "split", "repeat"]]
    baseline = order_baseline(units_of(own, runs))
    assert baseline is not None
    assert not baseline.flagged


def across(name, table):
    dataset = described(name)
    return order_across(table, Counter(dataset.timeline_of(s) for s in SAMPLE[name]))


def test_words_come_in_one_order_for_all_subjects(tables):
    """Other subjects tell each label of ds003717 by run and place alone."""
    found = across("ds003717", tables["ds003717"])
    assert found.flagged
    assert found.agreement == found.identical == 1.0
    assert found.chance < 0.3
    assert found.units == 2 * (5 * 14 + 1)  # groups of words
    assert "no decoder over subjects is safe" in found.note


def test_objects_come_in_an_order_of_each_subject(tables):
    """Runs of ds000105 take twelve orders, of which two subjects rarely get one in one run."""
    found = across("ds000105", tables["ds000105"])
    assert not found.flagged
    assert found.identical < 0.2
    assert found.agreement < 0.3
    assert found.units == 2 * 11 * 8  # run 12 is one subject's alone
    # Rarely is more than by chance: the audit says what a decoder over subjects has to beat.
    assert "has to beat this, not chance" in found.note
    # Music is heard in one order, by all subjects of its one timeline.
    assert across("ds003720", tables["ds003720"]).flagged
    assert across("ds001246", tables["ds001246"]) is None


def test_the_audit_says_what_networks_have_seen_of_the_test_images(tables):
    known = described("ds001246").stimuli.known_leaks
    table = tables["ds001246"].head(10)
    quiet, output = Provenance("inventory", False), Path("leakage.tsv")
    events = Inventory(output, table, (), quiet)
    runs = table.drop_duplicates("run")[["timeline", "run", "split", "repeat"]]
    splits = Splits(output, runs, quiet)
    for action in ("warn", "error"):
        settings = LeakageSettings(
            dataset="ds001246", leakage=Leakage(action=action), known_leaks=known, sharing={}
        )
        found = audit(settings, events, splits, None, output).table
        (row,) = found[found["check"] == "known"].itertuples()
        assert "20 of the 50 test images" in row.note
        assert (row.timeline, row.action) == ("all", "warn")


def test_derivatives_write_runs_without_zeros():
    files = run_files(described("ds000105").layout, "2", "task-objectviewing_run-03")
    assert files.bold == (
        "derivatives/fmriprep/sub-2/func/sub-2_task-objectviewing_run-3_"
        "space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz"
    )
    assert files.events == "sub-2/func/sub-2_task-objectviewing_run-03_events.tsv"


def test_sidecars_at_the_root_are_inherited():
    names = ["task-imagery_bold.json", "task-perception_bold.json", "T1w.json"]
    path = "sub-01/ses-perceptionTest01/func/sub-01_ses-perceptionTest01_task-perception_run-01"
    assert inherited(f"{path}_bold.json", names) == ["task-perception_bold.json"]
