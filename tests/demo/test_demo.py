"""Results of the demo and its second subject against the thresholds that README and report name."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

import h5py
import numpy as np
import pandas as pd
import pytest

from helpers.browser import (
    FLAGS,
    MOST_BYTES,
    MOST_SECONDS,
    VIEW,
    above_the_fold,
    load_time,
    violations,
)
from helpers.small_study import REPO

pytestmark = pytest.mark.demo
RESULTS = REPO / "results"


@pytest.mark.parametrize(("decoder", "least"), [("ridge_volumes", 0.63), ("svm_blocks", 0.72)])
def test_haxby_is_decoded(decoder, least):
    with h5py.File(RESULTS / f"decode/haxby2001_slice/{decoder}/sub-1.h5") as file:
        assert not bool(file.attrs["simulated"])
        assert file.attrs["accuracy"] >= least
        assert file.attrs["p"] < 0.01
        assert abs(np.mean(file["null"]) - 0.125) < 0.02


def test_haxby_has_a_table_of_classifiers_and_a_map_of_faces_against_houses():
    with h5py.File(RESULTS / "decode/haxby2001_slice/classifiers/sub-1.h5") as file:
        assert len(file["voices/names"]) == 6
        assert min(file["voices/accuracy"]) > 0.8
        assert max(file["voices/p_any"]) <= 0.05
        assert max(abs(file["voices/chance"][:] - 0.125)) < 0.05
    with h5py.File(RESULTS / "decode/haxby2001_slice/face_house/sub-1_univariate.h5") as file:
        assert 20 < (file["log_p"][:] < -1).sum() < 200
        assert (file["log_p"][:] > 1).sum() > 0


def test_haxby_has_a_searchlight_and_a_course_in_time():
    folder = RESULTS / "decode/haxby2001_slice/ridge_blocks"
    with h5py.File(folder / "sub-1_searchlight.h5") as file:
        assert 150 < (file["p_fwe"][:] <= 0.05).sum() < 400
        assert max(file["accuracy"]) > 0.55
        assert abs(np.mean(file["chance"]) - 0.125) < 0.01
    with h5py.File(folder / "sub-1_times.h5") as file:
        times, passed = file["times"][:], file["p_fwe"][:] <= 0.05
        assert not passed[times < 0].any()
        assert passed[(times >= 2) & (times <= 20)].all()


@pytest.fixture(scope="module")
def recovery() -> pd.DataFrame:
    return pd.read_csv(RESULTS / "inference/bunny/recovery.tsv", sep="\t", dtype={"subject": str})


def row(recovery: pd.DataFrame, check: str) -> pd.Series:
    """The mean over both subjects, whose own rows stand beside it."""
    rows = recovery[recovery["check"] == check].set_index("subject")
    assert list(rows.index) == ["01", "02", "all"], check
    return rows.loc["all"]


def test_streams_win_where_they_drive(recovery):
    assert row(recovery, "winning stream right / oracle")["value"] >= 0.85
    two = recovery[recovery["check"].str.startswith("split R² of") & (recovery["subject"] == "all")]
    assert len(two) == 2
    assert (two["low"] > 0).all()
    assert (two["passed"].astype(str) == "True").all(), two.to_string()


def test_the_model_predicts_what_its_oracle_does(recovery):
    reached, oracle = (row(recovery, f"test r{name}")["value"] for name in ("", ": oracle"))
    assert reached >= 0.65 * oracle


def test_shifted_features_predict_nothing(recovery):
    found = row(recovery, "shifted: mean test r")
    # The interval is 2 SE to either side.
    assert abs(found["value"]) <= (found["high"] - found["low"]) / 2
    winners = row(recovery, "shifted: winning stream right")
    assert str(winners["passed"]) == "True", winners


def test_the_null_region_is_shown_with_its_interval(recovery):
    found = row(recovery, "rejected at p < 0.05 where there is no signal")
    assert found["low"] < found["value"] < found["high"]


def test_p_values_come_from_enough_permutations():
    with h5py.File(RESULTS / "inference/bunny/streams/sub-01.h5") as file:
        assert file.attrs["n_distinct"] >= 1000
        assert 0 < np.mean(file["significant"]) < 1


@pytest.mark.parametrize("model", ["streams", "category"])
def test_exported_maps_are_valid_bids(model):
    (folder,) = (RESULTS / "maps").glob(f"*/{model}")
    validator = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent))
    assert validator
    done = subprocess.run(
        [validator, str(folder), "--format", "json"], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [i for i in issues if i["severity"] == "error"] == []


def test_the_demo_fits_in_memory():
    tables = list((RESULTS / "benchmarks").rglob("*.tsv"))
    assert len(tables) > 50
    peak = max(pd.read_csv(t, sep="\t", na_values="-")["max_rss"].max() for t in tables)
    assert 2 * peak < 6000  # two jobs at a time, in MB


def pages() -> list[Path]:
    return sorted((RESULTS / "report").glob("*.html"))


def test_every_page_shows_its_figures_offline():
    from playwright.sync_api import sync_playwright

    assert len(pages()) >= 4
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for path in pages():
            page = browser.new_page()
            requests: list[str] = []
            said: list[str] = []
            page.on("request", lambda r, to=requests: to.append(r.url))
            page.on("console", lambda m, to=said: to.append(m.text))
            page.on("pageerror", lambda e, to=said: to.append(str(e)))
            page.goto(path.as_uri(), wait_until="load")
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            widths = page.evaluate(
                "Promise.all([...document.images].map(i => { i.loading = 'eager';"
                " return i.decode().then(() => i.naturalWidth, () => 0) }))"
            )
            assert all(w > 0 for w in widths), path
            if "_sub-" in path.name:
                assert len(widths) >= 3, path
            assert said == [], path
            assert all(url.startswith("file:") for url in requests), path
            page.close()
        browser.close()


def test_the_first_page_begins_with_what_was_found_quickly_and_for_everyone(axe):
    from playwright.sync_api import sync_playwright

    path = RESULTS / "report/index.html"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport=VIEW, bypass_csp=True)
        requests: list[str] = []
        assert load_time(page, path) < MOST_SECONDS
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri(), wait_until="load")
        assert "held-out samples right" in above_the_fold(page)
        assert violations(page, axe) == []
        browser.close()
    files = [Path(unquote(urlparse(url).path)) for url in requests if url.startswith("file:")]
    assert sum(file.stat().st_size for file in files) < MOST_BYTES


def test_simulated_pages_say_so_and_measured_ones_do_not():
    for path in pages():
        text = path.read_text()
        if path.name.startswith("bunny"):
            assert "simulated BOLD" in text, path
        if path.name.startswith("haxby"):
            assert "simulated BOLD" not in text, path
