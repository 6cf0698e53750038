"""Checks, methods, similarity and blocks: the parts of the report that have known answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import report_tree
from tristream.decode.decoding_file import read_decoding, write_decoding
from tristream.encode.encoding_file import read_scores
from tristream.fetch.annex import departures
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.report.elements import Caution, Figure, Link, Table, Text, shown
from tristream.report.rendering import grouped
from tristream.report.sections import alignment, omissions
from tristream.report.sections.accuracy import Fit
from tristream.report.sections.accuracy import _table as accuracy_table
from tristream.report.sections.data import subject_section
from tristream.report.sections.stimuli import cautions, media_files
from tristream.report.sections.summary import count_checks
from tristream.report.similarity import cka
from tristream.report.study_results import Results
from tristream.report.thresholds import all_checks
from tristream.stimuli.tables import LEAKAGE, LeakageTable, StimulusFile
from tristream.store import Provenance, create_h5, write_strings


@pytest.fixture
def results(tmp_path):
    resolved = report_tree.read_study(report_tree.write_study(tmp_path))
    return Results(resolved, tmp_path / "results/report")


def write_decoder(results, name, accuracy, p=None, **changes):
    report_tree.write_decoding(results.root, "haxby2001_slice", name, "1", np.random.default_rng(0))
    path = results.path("decoding", dataset="haxby2001_slice", decoder=name, subject="1")
    stored, provenance = read_decoding(path)
    write_decoding(path, replace(stored, accuracy=accuracy, p=p, **changes), provenance)


def words(results):
    return {(c.subject, c.what): c.word for c in all_checks(results)}


def test_accuracy_is_held_against_its_own_threshold(results):
    write_decoder(results, "ridge_volumes", 0.63, 0.005)
    write_decoder(results, "svm_blocks", 0.719, 0.01)
    said = words(results)
    assert said["1", "accuracy of ridge_volumes"] == "met"
    assert said["1", "p of ridge_volumes"] == "met"
    assert said["1", "accuracy of svm_blocks"] == "not met"
    assert said["1", "p of svm_blocks"] == "not met"


def test_a_number_that_is_not_there_is_neither_met_nor_not(results):
    write_decoder(results, "svm_blocks", 0.8)
    said = words(results)
    assert said["1", "accuracy of ridge_volumes"] == "–"
    assert said["1", "p of svm_blocks"] == "–"


def test_a_p_that_few_permutations_cannot_reach_has_no_threshold(results):
    write_decoder(results, "svm_blocks", 0.8, 0.05, null=np.zeros(19, np.float32))
    assert words(results)["1", "p of svm_blocks"] == "–"
    write_decoder(results, "svm_blocks", 0.8, 0.05, null=np.zeros(199, np.float32))
    assert words(results)["1", "p of svm_blocks"] == "not met"


@pytest.mark.parametrize(("lag", "word"), [(5.0, "met"), (2.5, "not met"), (8.5, "not met")])
def test_the_lag_of_the_highest_curve_counts(results, lag, word):
    lags = np.arange(-5, 15.5, 0.5)
    r = np.stack([0.1 * np.exp(-((lags - 5) ** 2)), 0.3 * np.exp(-((lags - lag) ** 2))])
    path = results.path("lagscan", dataset="bunny", subject="01")
    with create_h5(path, Provenance("lagscan", True)) as file:
        file["lags"], file["r"], file["peak"] = lags, r, [5.0, lag]
        write_strings(file, "spaces", ["flow", "acoustics"])
    (check,) = [c for c in all_checks(results) if "lag" in c.what]
    assert (check.word, check.value) == (word, f"{lag:.1f} s")
    assert "acoustics" in check.what


@pytest.mark.parametrize(("lag", "warned"), [(5.0, False), (11.5, True), (-1.0, True)])
def test_delays_that_miss_the_peak_of_the_lag_scan_are_a_caution(results, lag, warned):
    """Model streams of the demo reaches from 2 to 8 TR of 1 s; a flat curve has no peak."""
    lags = np.arange(-4, 12.5, 0.5)
    r = np.stack([0.3 * np.exp(-((lags - lag) ** 2)), np.full(len(lags), 0.01)])
    path = results.path("lagscan", dataset="bunny", subject="01")
    with create_h5(path, Provenance("lagscan", True)) as file:
        file["lags"], file["r"], file["peak"] = lags, r, [lag, 12.0]
        write_strings(file, "spaces", ["acoustics/envelope", "flow/speed"])
    told = [b.text for b in alignment.section(results, "bunny", "01").blocks if type(b) is Caution]
    assert len(told) == warned
    assert all("streams reach from" in text and "acoustics/envelope" in text for text in told)


def test_labels_of_volumes_have_no_lag_to_keep(results):
    path = results.path("lagscan", dataset="haxby2001_slice", subject="1")
    with create_h5(path, Provenance("lagscan", False)) as file:
        file["lags"], file["r"], file["peak"] = [-2.0, 0.0], [[0.4, 0.3]], [-1.8]
        write_strings(file, "spaces", ["categories/identity"])
    (check,) = [c for c in all_checks(results) if "lag" in c.what]
    assert (check.word, check.value) == ("–", "-1.8 s")


def test_recovery_rows_are_checks_with_their_intervals(results):
    report_tree.write_recovery(results.root, ["01"])
    checks = {c.what: c for c in all_checks(results) if c.subject == "01"}
    assert checks["mean r over the oracle's"].word == "not met"
    assert checks["mean r over the oracle's"].value == "0.61 [0.58, 0.64]"
    assert checks["winner rate over the oracle's"].word == "met"
    assert "2 of 3 thresholds are met" in count_checks(list(checks.values()))


def test_linear_cka_against_its_definition():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 7)), rng.standard_normal((60, 11))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    cross = np.linalg.norm(y.T @ x) ** 2
    expected = cross / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    gram = x @ x.T
    assert cka(gram, y @ y.T) == pytest.approx(expected)
    turned = 3 * x @ np.linalg.qr(rng.standard_normal((7, 7)))[0]
    assert cka(gram, turned @ turned.T) == pytest.approx(1)
    assert np.isnan(cka(gram, np.zeros((60, 60))))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0.123456, "0.123"),
        (12345.6, "12,346"),
        (1253.7, "1254"),
        (float("inf"), "inf"),
        (1452, "1452"),
        (14520, "14,520"),
        (True, "yes"),
        (np.float32(0.5), "0.5"),
        ([1, 2.5], "1, 2.5"),
        ({"a": 1}, "a: 1"),
    ],
)
def test_values_as_shown(value, text):
    assert shown(value) == text


def test_neighbouring_figures_share_a_grid():
    def figure(wide=False):
        return Figure("t", "c", "p", "s", "t", wide)

    blocks = [Text("a"), figure(), figure(), figure(True), Text("b"), figure()]
    sizes = [(in_grid, len(group)) for in_grid, group in grouped(blocks)]
    assert sizes == [(False, 1), (True, 2), (False, 2), (True, 1)]


def audit(baseline, across):
    empty = pd.DataFrame(columns=list(LEAKAGE))
    provenance = Provenance("leakage", False, methods=("Made by a test.",))
    return LeakageTable(Path("x.tsv"), empty, [], baseline, [], across, provenance)


def test_an_order_that_gives_labels_away_is_a_caution():
    one = {"flagged": True, "accuracy": 0.9, "chance": 0.125, "note": "one order for all"}
    assert cautions(audit([{**one, "flagged": False}], None)) == []
    found = cautions(audit([one], one))
    assert [block.kind for block in found] == ["caution", "caution"]
    assert "names 90.0% of the labels (chance 12.5%)" in found[0].text
    assert found[1].text == "one order for all."


def test_labels_that_were_never_trained_on_are_a_caution():
    notes = [
        {"note": "none is new", "flagged": False},
        *[{"note": "one is new", "flagged": True}] * 2,
    ]
    found = cautions(replace(audit([], None), labels=notes))
    assert [block.text for block in found] == ["Of the labels, one is new."]


def test_accuracy_names_the_solver_and_its_estimated_loss(results):
    rng = np.random.default_rng(0)
    report_tree.write_encoding(results.resolved, "bunny", "streams", "01", True, rng)
    scored = read_scores(results.path("encoding", dataset="bunny", model="streams", subject="01"))[
        0
    ]
    abouts = {
        "ridge": {"solver": "skeleton", "estimated_loss": 3.2e-5},
        "network": {"solver": "adamw"},
    }
    fits = {
        name: Fit(replace(scored, about={"alphas": [1, 10], **about}), None, False, [])
        for name, about in abouts.items()
    }
    table = accuracy_table(fits)
    assert table.columns[-2:] == ("solver", "estimated loss")
    assert [row[-2:] for row in table.rows] == [("skeleton", "3e-05"), ("adamw", "")]


def test_content_that_denies_its_key_stands_beside_the_data_and_among_the_omissions(results):
    key = f"MD5E-s3--{'a' * 32}.nii.gz"
    file = FetchedFile("sub-1/func/x_bold.nii.gz", 3, "md5:" + "b" * 32, key, annexed=True)
    receipt = Receipt(
        *("haxby2001_slice", "1", {}, "", results.root, "Haxby", "PDDL", (file,), False),
        omitted=tuple(departures([file])),
    )
    receipt.write(results.path("receipt", dataset="haxby2001_slice", subject="1"))
    beside = str(subject_section(results, "haxby2001_slice", "1").blocks)
    listed = str(omissions.section(results, "haxby2001_slice", "1").blocks)
    for text in (beside, listed):
        assert "agreement of sub-1/func/x_bold.nii.gz with its annex key" in text
        assert f"the key says md5:{'a' * 32}; the study accepts md5:{'b' * 32}" in text


def test_films_are_listed_with_what_was_applied_and_what_is_odd() -> None:
    facts = {"picture": "48 x 64 pixels, 25.000 fps", "turned": "90° clockwise"}
    film = StimulusFile("a", "film", "a.mp4", "0" * 64, 9.0, facts, ("no sound from 1.0 to 3.0 s",))
    tone = StimulusFile("b", "sound", "b.wav", "1" * 64, 2.0, {"sound": "16000 Hz, mono"})
    caution, table = media_files([film, tone], "own_films.html")
    assert isinstance(caution, Caution)
    assert caution.text == "a.mp4: no sound from 1.0 to 3.0 s."
    assert isinstance(table, Table)
    assert table.columns == ("stimulus", "picture", "turned", "sound")
    link = Link("a", "own_films.html#film-0")
    assert table.rows[0] == (link, facts["picture"], facts["turned"], "")
    assert table.rows[1] == ("b", "", "", "16000 Hz, mono")
    assert media_files([StimulusFile("c", "image", "c.png", "2" * 64)], "own_films.html") == []
