"""The four OpenNeuro repositories, whole: cloned with DataLad at their tags, and every file read.

They are had as git bundles (TRISTREAM_OPENNEURO_BUNDLES, which .ci/run sets); without them
test_datasets_openneuro.py reads a sample of their events.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml

from config.test_datasets_openneuro import DESCRIPTORS, described, inventory, repeats, samples
from helpers.fetched import files_of
from helpers.small_study import REPO, environment
from tristream.config.load import Resolved, load
from tristream.config.settings.fetch import FetchDatasetSettings
from tristream.fetch.known import recall
from tristream.fetch.receipt import Receipt
from tristream.stimuli.order_across import order_across

BUNDLES = os.environ.get("TRISTREAM_OPENNEURO_BUNDLES")
WHOLE = {
    "ds003720": {"runs": 90, "events": 738, "annexed": 95},
    "ds001246": {"runs": 395, "events": 23725, "annexed": 967},
    "ds003717": {"runs": 360, "events": 32700 - 60 * 150, "annexed": 480},
    "ds000105": {"runs": 71, "events": 6816, "annexed": 93},
}
# Images of all subjects, where the derivatives, which are elsewhere, are left out; bytes.
IMAGES = {
    "ds003720": (95, 46.5e9),
    "ds001246": (395 + 5 * 22, 20.7e9),
    "ds003717": (360 + 60, 60.5e9),
    "ds000105": (71 + 6, 1.9e9),
}


def raw_events(listing: Receipt, pattern: str) -> dict[str, pd.DataFrame]:
    """Events files as they are written, every cell as text."""
    paths = [p for p in listing.find("_events.tsv") if pattern in p]
    return {
        p: pd.read_csv(listing.path(p), sep="\t", dtype=str, keep_default_na=False) for p in paths
    }


def sidecars(listing: Receipt) -> dict[str, dict]:
    return {p: json.loads(listing.path(p).read_text()) for p in listing.find("_bold.json")}


if BUNDLES:

    @pytest.fixture(scope="module")
    def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
        """A study of the four from their bundles, and what `tristream fetch --plan` says of it."""
        folder = tmp_path_factory.mktemp("openneuro")
        descriptors = folder / "workflow" / "datasets"
        descriptors.mkdir(parents=True)
        for file in DESCRIPTORS.glob("ds*"):
            text = file.read_text()
            if file.suffix == ".yaml" and "derivatives:  " in text:
                content = yaml.safe_load(text)
                del content["derivatives"]
                text = yaml.safe_dump(content | {"layout": {"kind": "raw"}})
            (descriptors / file.name).write_text(text)
        datasets = {}
        for name in WHOLE:
            bundle, bare = Path(str(BUNDLES)) / f"{name}.bundle", folder / f"{name}.git"
            subprocess.run(["git", "clone", "-q", "--bare", bundle, bare], check=True)
            datasets[name] = {"source": {"url": str(bare)}}
        content = {"data": str(folder / "data"), "datasets": datasets}
        (folder / "config.yaml").write_text(json.dumps(content))
        done = subprocess.run(
            [sys.executable, "-m", "tristream", "fetch", "--plan"],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return folder, done.stdout

    @pytest.fixture(scope="module")
    def study(planned) -> Resolved:
        return load(planned[0] / "config.yaml")

    @pytest.fixture(scope="module")
    def listings(study) -> dict[str, Receipt]:
        found = {name: recall(FetchDatasetSettings.of(study, dataset=name)) for name in WHOLE}
        return {name: listing for name, listing in found.items() if listing is not None}

    @pytest.mark.parametrize("name", sorted(WHOLE))
    def test_the_whole_repository_is_as_the_descriptor_says(listings, name):
        dataset, listing, expected = described(name), listings[name], WHOLE[name]
        assert sum(file.annexed for file in listing.files) == expected["annexed"]
        assert sum(len(dataset.runs_of(s)) for s in dataset.subjects) == expected["runs"]
        assert len(listing.find("_events.tsv")) == expected["runs"]
        table = inventory(dataset, dataset.subjects, listing)
        assert len(table) == expected["events"]
        across = order_across(table, Counter(map(dataset.timeline_of, dataset.subjects)))
        assert across is not None
        assert across.flagged == (name in ("ds003717", "ds003720"))
        if name == "ds003717":
            assert (across.subjects, across.identical, across.units) == (60, 1.0, 60 * 71)
        if name == "ds001246":
            for _, own in table.groupby("timeline"):
                assert repeats(samples(own, "train")) == {1: 1200}
                assert repeats(samples(own, "test")) == {35: 50, 10: 50}
            wanted = files_of(dataset, "01", [f.path for f in listing.files])
            assert sum("bold_preproc" in path for path in wanted) == 79
            assert sum("_mask_" in path for path in wanted) == 22

    @pytest.mark.parametrize("name", sorted(WHOLE))
    def test_the_plan_tells_files_and_bytes_without_getting_them(planned, listings, name):
        _, printed = planned
        files, size = IMAGES[name]
        (line,) = [line for line in printed.splitlines() if line.startswith(f"{name}: ")]
        assert line.startswith(f"{name}: {files} of ")
        assert f" {size / 1e9:.1f} GB of " in line
        known = {f.path: f.size for f in listings[name].files if f.annexed}
        rows = [line.split(maxsplit=1) for line in printed.splitlines()]
        stated = {row[1]: int(row[0]) for row in rows if len(row) == 2 and row[1] in known}
        assert {path: known[path] for path in stated} == stated
        assert not any((listings[name].root / path).exists() for path in stated)

    def test_a_dry_run_of_snakemake_lists_them_too(planned):
        folder, _ = planned
        content = json.loads((folder / "config.yaml").read_text())
        for name, block in content["datasets"].items():
            block["subjects"] = [described(name).subjects[0]]
        (folder / "one.yaml").write_text(json.dumps(content))
        call = [sys.executable, "-m", "snakemake", "-s", str(REPO / "Snakefile"), "-n"]
        done = subprocess.run(
            [*call, "--cores", "1", "--configfile", "one.yaml"],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == 0, printed
        for words in (
            "ds003720 sub-001: 19 of 56 files to get, 9.3 GB of 9.3 GB",
            "ds001246 sub-01: 101 of 183 files to get, 4.2 GB of 4.2 GB",
            "ds003717 sub-01: 7 of 20 files to get, 1.0 GB of 1.0 GB",
            "ds000105 sub-1: 13 of 27 files to get, 318 MB of 318 MB",
            "514 MB  sub-001/func/sub-001_task-Training_run-01_bold.nii",
        ):
            assert words in printed
        assert "download_mb=" in printed

    def test_music_was_scanned_in_three_sessions(listings):
        """Shim values change twice: Training 1-4 with Test 1-2, and so on."""
        found = sidecars(listings["ds003720"])
        assert {
            tuple([s["RepetitionTime"], s["PhaseEncodingDirection"]]) for s in found.values()
        } == {(1.5, "j-")}
        assert {len(s["SliceTiming"]) for s in found.values()} == {68}
        assert {len(set(s["SliceTiming"])) for s in found.values()} == {17}
        sessions: dict[tuple, set[str]] = {}
        for path, one in found.items():
            if "sub-001" in path:
                sessions.setdefault(tuple(one["ShimSetting"]), set()).add(path[-23:-10])
        assert sorted(map(len, sessions.values())) == [6, 6, 6]

    def test_imagery_trials_without_an_answer(listings):
        mute = Counter()
        for table in raw_events(listings["ds001246"], "task-imagery").values():
            rows = table[(table["event_type"] == "imagery") & (table["response_time"] == "n/a")]
            mute.update(rows["evaluation"])
        assert mute == {"1.0": 155}

    def test_one_subject_saw_the_training_images_in_other_groups(listings):
        groups: dict[str, set[frozenset[str]]] = {}
        for path, table in raw_events(listings["ds001246"], "perceptionTraining").items():
            shown = table[table["event_type"] == "stimulus"]["stimulus_name"]
            groups.setdefault(path.split("/")[0], set()).add(frozenset(shown))
        assert {len(g) for g in groups.values()} == {24}
        others = [groups[s] for s in sorted(groups) if s != "sub-04"]
        assert all(g == others[0] for g in others)
        assert groups["sub-04"] != others[0]

    def test_objects_have_their_sidecars_at_the_root_alone(listings):
        found = sidecars(listings["ds001246"])
        assert {p for p in found if "/" in p} == set()
        assert not any("PhaseEncodingDirection" in s for s in found.values())

    def test_words_say_one_tr_in_the_readme_and_another_in_the_data(listings):
        listing = listings["ds003717"]
        assert "3.07" in (listing.root / "README").read_text()
        found = sidecars(listing)
        assert {s["RepetitionTime"] for s in found.values()} == {2.47} == {described("ds003717").tr}
        # Sparse: all slices within 0.77 s, and no field that would say so.
        assert max(max(s["SliceTiming"]) for s in found.values()) < 0.77
        assert not any("DelayTime" in s for s in found.values())
        assert not described("ds003717").layout.slice_timing  # type: ignore[union-attr]

    def test_words_pause_late_in_six_sessions(listings):
        """A gap more than twice as long as is usual: nothing may take onsets for evenly spread."""
        gaps = {}
        for path, table in raw_events(listings["ds003717"], "_events").items():
            onset = table["onset"].astype(float)
            gaps[path.split("/")[-1].removesuffix("_events.tsv")] = onset.diff().max()
        usual = pd.Series(gaps).median()
        late = sorted(name for name, gap in gaps.items() if gap > 2 * usual)
        second = [f"sub-{s}_task-SESS02" for s in ("06", "16", "17", "19", "46")]
        assert late == sorted([*second, "sub-23_task-SESS01"])

    def test_words_that_were_heard(listings):
        """The share of "Yes" among Yes and No: what a replication has to find (%)."""
        answers: dict[str, Counter] = {}
        for table in raw_events(listings["ds003717"], "_events").values():
            for row in table.itertuples():
                answers.setdefault(row.trial_type, Counter())[row.Resp] += 1
        share = {k: 100 * c["Yes"] / max(c["Yes"] + c["No"], 1) for k, c in answers.items()}
        expected = {
            **{"V_only_Quiet_InScanner": 61.2, "AV_n10_SNR": 78.4, "AV_n5_SNR": 93.2},
            **{"AV_0_SNR": 95.6, "AV_p5_SNR": 98.8, "AV_Quiet": 99.6, "A_Quiet": 99.5},
        }
        assert {k: round(share[k], 1) for k in expected} == expected

    def test_participants_may_come_from_a_table_with_other_line_ends(planned, listings):
        table = listings["ds003717"].root / "participants.tsv"
        assert b"\r\n" in table.read_bytes()
        folder = planned[0]
        content = {"datasets": {"ds003717": {"subjects": str(table)}}}
        (folder / "table.yaml").write_text(json.dumps(content))
        assert load(folder / "table.yaml").subjects["ds003717"] == described("ds003717").subjects
