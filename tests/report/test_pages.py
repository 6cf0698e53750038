"""The whole report from a small results tree: links, words, escaping, and a real browser."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from playwright.sync_api import sync_playwright

import tristream.report
from helpers import report_tree
from tristream.config.load import load
from tristream.config.settings.maps import MapsSettings
from tristream.maps.encoding_maps import draw
from tristream.report.build import build
from tristream.report.rendering import hash_of
from tristream.store import read_table

SPACES = [
    "efficientnet",
    "motion_energy",
    "flow",
    "acoustics",
    "musicnn",
    "lowlevel",
    "categories",
    "latents",
]
SCRIPT = (Path(tristream.report.__file__).parent / "assets/report.js").read_text()
LOAD = """() => {
  for (const image of document.images) image.loading = "eager";
  return Promise.all([...document.images].map((image) => image.decode()));
}"""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    study = report_tree.read_study(report_tree.write_study(folder))
    report_tree.write_tree(study)
    root = Path(study.study.results)
    for dataset, model in (("bunny", "shifted"), ("haxby2001_slice", "category")):
        subject = study.subjects[dataset][0]
        runs = study.datasets[dataset].runs_of(subject)
        draw(
            MapsSettings.of(study, dataset=dataset, model=model, subject=subject),
            subject,
            root / f"encode/{dataset}/{model}/sub-{subject}.h5",
            root / f"inference/{dataset}/{model}/sub-{subject}.h5",
            root / f"maps/{dataset}/{model}/sub-{subject}/maps.json",
            background=root / f"bold/{dataset}/sub-{subject}/{runs[0]}.h5",
        )
    build(study, root / "report/index.html", "c0de")
    return study


@pytest.fixture(scope="module")
def folder(resolved):
    return Path(resolved.study.results) / "report"


def test_the_same_results_give_the_same_report_with_more_workers_too(resolved, folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert sum(path.suffix == ".html" for path in before) > 3
    build(resolved, folder / "index.html", "c0de", workers=2)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path for path in before | after if before.get(path) != after.get(path)} == set()


class Links(HTMLParser):
    """Every href and src, every id, every tag of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.images, self.ids, self.tags, self.alts = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        self.tags.append(tag)
        self.ids.append(said.get("id"))
        if tag == "a":
            self.links.append(said["href"])
        if tag == "img":
            self.images.append(said["src"])
            self.alts.append(said["alt"])


def pages(folder):
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}


def test_there_is_a_page_for_the_study_each_space_each_dataset_and_each_subject(folder):
    assert set(pages(folder)) == {
        "index.html",
        "technical.html",
        "checklist.html",
        "haxby2001_slice.html",
        "haxby2001_slice_sub-1.html",
        "bunny.html",
        "bunny_films.html",
        "bunny_sub-01.html",
        "bunny_sub-02.html",
        *(f"space_{name}.html" for name in SPACES),
    }


def test_every_link_is_relative_and_leads_to_a_file(folder):
    ids = {name: Links(text).ids for name, text in pages(folder).items()}
    for name, text in pages(folder).items():
        said = Links(text)
        assert not set(said.tags) & {"iframe", "object", "form"}, name
        for link in said.links + said.images:
            if link.startswith("#"):
                assert link[1:] in said.ids, (name, link)
            else:
                assert not re.match(r"[a-z]+:|/", link), (name, link)
                file, _, anchor = link.partition("#")
                assert (folder / unquote(file)).is_file(), (name, link)
                assert not anchor or anchor in ids[file], (name, link)
        assert all(len(alt) > 40 for alt in said.alts), name


def test_the_one_script_of_a_page_is_the_one_that_its_policy_names(folder):
    for name, text in pages(folder).items():
        (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        assert script == SCRIPT, name
        assert text.count("<script") == 1, name
        assert f"script-src '{hash_of(script)}';" in text, name
        assert not re.search(r"<[^>]*\s(on\w+|style)=", text.replace(script, "")), name


def test_every_figure_has_its_vector_version_and_its_numbers(folder):
    drawn = list((folder / "figures").rglob("*.png"))
    assert len(drawn) > 20
    for png in drawn:
        assert png.with_suffix(".svg").is_file()
        table, said = read_table(png.with_suffix(".tsv"), "figure")
        assert len(table)
        assert said.code == "c0de"


def test_simulated_bold_is_named_where_it_is_shown_and_only_there(folder):
    for name in ("index.html", "technical.html"):
        assert "imulated BOLD in bunny" in pages(folder)[name]
    for name, text in pages(folder).items():
        if name.startswith("bunny"):
            assert 'class="banner"' in text
            assert "simulated BOLD" in text
        elif name.startswith("haxby"):
            assert "simulated BOLD" not in text
    for svg in (folder / "figures/bunny/sub-01").glob("*.svg"):
        assert "simulated BOLD" in svg.read_text().replace("\n", " "), svg
    for svg in (folder / "figures/haxby2001_slice").rglob("*.svg"):
        assert "simulated" not in svg.read_text(), svg


def test_numbers_beside_thresholds_have_no_verdict_but_met_or_not_met(folder):
    text = pages(folder)["technical.html"]
    assert ">met<" in text
    assert ">not met<" in text
    assert not re.search(r"\b(good|excellent|great|poor|bad|success)\b", text, re.IGNORECASE)


def test_what_is_missing_says_why(folder):
    text = pages(folder)["bunny_sub-01.html"]
    assert "not produced because" in text
    assert "there is no maps/bunny/streams/sub-01/maps.json" in text
    assert "5 distinct permutations; under 1,000 no p value is written" in text
    assert "5 distinct permutations" in pages(folder)["index.html"]


def test_the_confusion_table_holds_the_decoder_s_counts(resolved, folder):
    table, _ = read_table(
        folder / "figures/haxby2001_slice/sub-1/confusion_ridge_volumes.tsv", "figure"
    )
    counts = table.drop(columns="true").to_numpy()
    assert counts.shape == (8, 8)
    assert counts.sum() == 8 * 9 * 12
    accuracy = counts.trace() / counts.sum()
    assert f"accuracy {accuracy:.3f}" in pages(folder)["haxby2001_slice_sub-1.html"]


def test_winners_are_counted_by_what_drives_the_voxel(folder):
    path = folder / "figures/bunny/sub-01/regions_streams.tsv"
    table = pd.read_csv(path, sep="\t").set_index("driven by")
    for stream in ("ventral", "dorsal", "auditory"):
        assert table.loc[stream].idxmax() == stream
    assert set(table.index) == {"ventral", "dorsal", "auditory", "unmodelled", "none"}


def test_the_written_study_is_the_study(resolved, folder):
    again = load(folder / "study.yaml", report_tree.REPOSITORY / "workflow/datasets")
    assert again.study.models == resolved.study.models
    assert again.study.features == resolved.study.features
    assert again.subjects == resolved.subjects


def test_pages_open_in_a_browser_without_a_request_or_a_complaint(folder):
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for path in sorted(folder.glob("*.html")):
            page = browser.new_page()
            requests, said = [], []
            page.on("request", lambda r, to=requests: to.append(r.url))
            page.on("console", lambda m, to=said: to.append(m.text))
            page.on("pageerror", lambda e, to=said: to.append(str(e)))
            page.goto(path.as_uri(), wait_until="load")
            # Pictures below the fold wait until they are needed.
            page.evaluate(LOAD)
            widths = page.evaluate("[...document.images].map(i => i.naturalWidth)")
            assert all(w > 0 for w in widths), path
            assert len(widths) == path.read_text().count("<img")
            assert said == [], path
            assert all(url.startswith("file:") for url in requests), path
            too_wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
            assert not too_wide, path
            page.close()
        browser.close()
