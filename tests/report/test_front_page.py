"""The first page as a researcher meets it, of one subject, of ten and of sixty, in a browser."""

from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pandas as pd
import pytest
import yaml
from playwright.sync_api import sync_playwright
from pydantic import ValidationError

from helpers import REPOSITORY, report_tree
from helpers import browser as browser_helpers
from helpers.browser import FLAGS, MOST_BYTES, MOST_SECONDS, VIEW, load_time, violations
from tristream.config.identification import Identification
from tristream.config.load import load
from tristream.config.report import SUMMARY, Report
from tristream.config.rsa import Rsa
from tristream.config.univariate import Univariate
from tristream.contrast.contrast_file import (
    KIND,
    TABLE,
    ContrastMap,
    ContrastTable,
    write_contrast,
    write_contrast_table,
)
from tristream.contrast.contrast_regions import found as regions_found
from tristream.contrast.contrast_regions import region_table
from tristream.decode import identification_file
from tristream.decode.mass_univariate_file import read_mass_univariate
from tristream.maps.style import style
from tristream.report import cobidas, headline
from tristream.report.brain_strips import draw_strips
from tristream.report.build import write_pages
from tristream.report.findings import Findings, find
from tristream.report.front_page import ENTRIES, Study, front_page
from tristream.report.item_findings import CELL, ItemFinding
from tristream.report.pages import dataset_page, subject_page, technical_page
from tristream.report.sections.brains import FEW
from tristream.report.similarity import Similarity
from tristream.report.study_results import Results
from tristream.report.thresholds import all_checks
from tristream.rsa import similarity_table
from tristream.store import Provenance

CONTRASTS = {"early": {"datasets": ["bunny"], "plus": ["clip1"], "minus": ["clip2"]}}


def study(
    folder: Path, dataset: str, subjects: int, models: int = 1, contrasts=None, decoders=9, **report
):
    """A study of one dataset with results of models and decoders, and no BOLD."""
    descriptor = yaml.safe_load((REPOSITORY / f"workflow/datasets/{dataset}.yaml").read_text())
    labels = [f"{number + 1:02}" for number in range(subjects)]
    descriptor["subjects"] = labels
    (folder / "descriptors").mkdir(parents=True)
    (folder / f"descriptors/{dataset}.yaml").write_text(yaml.safe_dump(descriptor))
    demo = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    first = "streams" if dataset == "bunny" else "category"
    named = {first if k == 0 else f"{first}{k + 1}": demo["models"][first] for k in range(models)}
    of = [(k, v) for k, v in demo["decoders"].items() if dataset in v["datasets"]]
    decoders = dict(of[:decoders])
    changes = {
        "datasets": {dataset: {}},
        "models": named,
        "decoders": decoders,
        "univariate": {},
        "contrasts": contrasts or {},
        "inference": {"permutations": 1000},
        "report": report,
    }
    config = report_tree.write_study(folder, **changes)
    resolved = load(config, folder / "descriptors")
    rng = np.random.default_rng(0)
    simulated = dataset == "bunny"
    for subject in labels:
        for name in named:
            report_tree.write_encoding(resolved, dataset, name, subject, simulated, rng)
        for name in decoders:
            report_tree.write_decoding(folder / "results", dataset, name, subject, rng)
    report_tree.write_stimuli(folder / "results", dataset, labels, resolved, rng)
    return resolved


def write_contrast_of(resolved, subject: str, shift: float) -> None:
    """A t map of noise about `shift`, and its table."""
    ijk, affine, shape = report_tree.ijk_of("bunny")
    t = (2 * np.random.default_rng(0).standard_normal(len(ijk)) + shift).astype("f4")
    found = ContrastMap(
        effect=t,
        variance=np.ones_like(t),
        t=t,
        z=t,
        ijk=ijk.astype(np.int32),
        affine=affine,
        shape=shape,
        regions={},
        dof=100.0,
        runs=["run-1"],
        conditions={"clip1": 5, "clip2": 5},
        provenance=Provenance(KIND, True, methods=("A contrast was made.",)),
    )
    layout = Results(resolved, Path(resolved.study.results) / "report").layout
    where = {"dataset": "bunny", "contrast": "early", "subject": subject}
    write_contrast(layout.path("contrast", **where), found)
    chosen = regions_found(found, 3.0, None)
    table = ContrastTable(
        region_table(found, chosen),
        3.0,
        chosen.rule,
        Provenance(TABLE, True, methods=("Counted.",)),
    )
    write_contrast_table(layout.path("contrast_table", **where), table)


def written(resolved) -> Path:
    """Write the first page, those of the dataset, a subject, costs and checklist; their folder."""
    folder = Path(resolved.study.results) / "report"
    results = Results(resolved, folder)
    checks = all_checks(results)
    with style():
        findings = find(results)
        strips = draw_strips(results, findings)
        (dataset,) = resolved.datasets
        pages = [
            dataset_page(results, dataset, Similarity(results, dataset), findings, strips),
            subject_page(results, dataset, resolved.subjects[dataset][0], checks, findings, strips),
            technical_page(results, checks, {}),
            cobidas.page(results, ""),
        ]
        first = front_page(Study(results, findings, strips, checks, {}))
    write_pages([first, *pages], resolved, folder / "index.html")
    return folder


@pytest.fixture(scope="module")
def ten(tmp_path_factory) -> Path:
    return written(study(tmp_path_factory.mktemp("ten"), "bunny", 10, 3))


@pytest.fixture(scope="module")
def sixty(tmp_path_factory) -> Path:
    return written(study(tmp_path_factory.mktemp("sixty"), "haxby2001_slice", 60))


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Path:
    return written(study(tmp_path_factory.mktemp("one"), "haxby2001_slice", 1))


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield found
        found.close()


@contextmanager
def opened(browser, path: Path, **options):
    """A page of the report, what it asked for and what it complained of."""
    page = browser.new_page(viewport=VIEW, **options)
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri(), wait_until="load")
    yield page, asked, said
    page.close()


@pytest.mark.parametrize("size", ["one", "ten", "sixty"])
def test_what_was_found_stands_above_the_fold(browser, request, size):
    above_the_fold(browser, request.getfixturevalue(size))


def test_decoders_alone_stand_above_the_fold(browser, tmp_path):
    folder = written(study(tmp_path, "haxby2001_slice", 1, models=0))
    assert "4 decoders name" in above_the_fold(browser, folder)


def test_contrasts_alone_stand_above_the_fold(browser, tmp_path):
    resolved = study(tmp_path, "bunny", 2, models=0, contrasts=CONTRASTS)
    for subject, shift in (("01", 0.0), ("02", 1.0)):
        write_contrast_of(resolved, subject, shift)
    folder = written(resolved)
    said = above_the_fold(browser, folder)
    table = pd.read_csv(tmp_path / "results/contrast/bunny/early/sub-01_regions.tsv", sep="\t")
    other = pd.read_csv(tmp_path / "results/contrast/bunny/early/sub-02_regions.tsv", sep="\t")
    above = (table["above"][0] + other["above"][0]) / 2
    assert f"finds a median of {above:,.0f} voxels for its first side" in said
    with opened(browser, folder / "index.html") as (page, _, words):
        assert page.locator("#contrasts figure.multiples tbody tr").count() == 2
        assert words == []


def of_items(folder: Path, subjects: int, **analyses):
    """A study without models and decoders, of two layers and two regions, and its results."""
    resolved = study(folder, "haxby2001_slice", subjects, models=0, decoders=0)
    space = next(iter(resolved.study.features))
    block = {"datasets": ["haxby2001_slice"], "features": [space]}
    resolved.study.rsa.update({name: Rsa(**block) for name in analyses.get("rsa", ())})
    named = {name: Identification(**block) for name in analyses.get("identification", ())}
    resolved.study.identification.update(named)
    return resolved, Results(resolved, folder / "results/report").layout


def values_of(columns, number: int, **more) -> pd.DataFrame:
    """Eight layers in two regions, the last row highest, and surely so in the first subject."""
    rows = [
        {**dict.fromkeys(columns, 0.5), "space": "net", "layer": layer, "region": region}
        for layer in ("one", "two", "three", "four", "five", "six", "seven", "late")
        for region in ("V1", "LOC")
    ]
    table = pd.DataFrame(rows).assign(items=8, **more)
    table["pairwise" if "pairwise" in columns else "similarity"] = [
        *np.linspace(0.5, 0.65, 15),
        0.9,
    ]
    for p in ("p_corrected", "pairwise_p_corrected"):
        if p in columns:
            table[p] = [*np.linspace(0.9, 0.5, 15), 0.2 if number else 0.01]
    return table


def test_identification_alone_stands_above_the_fold(browser, tmp_path):
    resolved, layout = of_items(tmp_path, 3, identification=["objects"])
    for number, subject in enumerate(resolved.subjects["haxby2001_slice"]):
        where = {"identification": "objects", "dataset": "haxby2001_slice", "subject": subject}
        paths = [layout.path(f"identification{end}", **where) for end in ("", "_sets")]
        how = Provenance(identification_file.KIND, False, methods=("Items were identified.",))
        own = {"set": "seen", "decoder": "ridge", "reliable": np.nan}
        rows = values_of(identification_file.COLUMNS, number, **own)
        growing = rows.reindex(columns=list(identification_file.SETS)).assign(n=2)
        identification_file.write_identification(*paths, rows, growing, how)
    folder = written(resolved)
    said = above_the_fold(browser, folder)
    assert "identification objects sets 8 seen items apart from 90% of wrong candidates" in said
    assert "corrected p at most 0.05 in 1 of 3 subjects" in said
    page = (folder / "index.html").read_text()
    (drawn,) = (folder / "figures/summary/haxby2001_slice").glob("identification_*.tsv")
    assert len(pd.read_csv(drawn, sep="\t")) == 3 * 16
    assert "The 6 of 8 layers with the highest values" in page
    assert "net/late" in page
    assert "no encoding model has been fitted" in page


def test_similarity_alone_stands_above_the_fold(browser, tmp_path):
    resolved, layout = of_items(tmp_path, 1, rsa=["alike"])
    path = layout.path("rsa", dataset="haxby2001_slice", rsa="alike")
    rows = values_of(similarity_table.COLUMNS, 0, subject="01")
    how = Provenance(similarity_table.KIND, False, methods=("Distances were compared.",))
    similarity_table.write_similarity(path, rows, how)
    said = above_the_fold(browser, written(resolved))
    assert "distances between 8 items in features and in the brain agree by 0.90" in said
    assert "(net/late, LOC; chance 0.50; corrected p 0.01)" in said


def test_labels_compared_in_voxels_alone_stand_above_the_fold(browser, tmp_path):
    resolved = study(tmp_path, "haxby2001_slice", 1, models=0, decoders=0)
    block = Univariate(datasets=["haxby2001_slice"], plus="face", minus="house")
    resolved.study.univariate["face_house"] = block
    rng = np.random.default_rng(0)
    root = tmp_path / "results"
    report_tree.write_comparison(root, "haxby2001_slice", "face_house", "01", rng)
    said = above_the_fold(browser, written(resolved))
    (path,) = root.rglob("face_house/sub-01_univariate.h5")
    log_p = read_mass_univariate(path)[0].log_p
    counts = f"{(log_p > 1).sum()} voxels that respond more to face and {(log_p < -1).sum()} to"
    assert f"comparison face_house finds {counts} house, of {len(log_p)}" in said


def test_imagery_that_does_not_repeat_is_said_to_in_the_first_sentence():
    cells = pd.DataFrame([["net/late", "V1", 0.9, 0.5, 0.01, 8]], columns=CELL)
    found = ItemFinding("d", "objects", "01", "imagined", cells, closed=("V1",))
    (said,) = headline._identified([found])
    assert said.endswith("though imagined patterns do not repeat over runs")
    assert "8 imagined items" in said


def test_the_first_sentence_takes_the_best_of_regions_whose_imagined_patterns_repeat():
    rows = [["net/c5", "V1", 0.55, 0.5, 0.3, 10], ["net/c5", "FFA", 0.9, 0.5, 0.01, 10]]
    cells = pd.DataFrame(rows, columns=CELL)
    finding = ItemFinding("d", "objects", "01", "imagined", cells, closed=("FFA",))
    (said,) = headline._identified([finding])
    assert "apart from 55% of wrong candidates at best (net/c5, V1; " in said
    assert said.endswith("of the regions where imagined patterns repeat over runs")
    # Where all repeat, the largest of all is taken, and nothing is added.
    (said,) = headline._identified([ItemFinding("d", "objects", "01", "imagined", cells)])
    assert said.endswith(
        "apart from 90% of wrong candidates at best (net/c5, FFA; chance 0.50; corrected p 0.01)"
    )


def above_the_fold(browser, folder: Path) -> str:
    with opened(browser, folder / "index.html") as (page, _, _):
        return browser_helpers.above_the_fold(page)


@pytest.mark.parametrize("size", ["one", "ten", "sixty"])
def test_pages_are_quick_and_small_and_ask_for_nothing_else(browser, request, size):
    folder = request.getfixturevalue(size)
    paths = sorted(folder.glob("*.html"))
    assert len(paths) == 5
    for path in paths:
        with opened(browser, path) as (page, _, _):
            assert load_time(page, path) < MOST_SECONDS, path
        with opened(browser, path) as (page, asked, said):
            assert said == [], path
            assert all(urlparse(url).scheme in ("file", "data") for url in asked), path
            files = {Path(unquote(urlparse(url).path)) for url in asked if url.startswith("file")}
            assert sum(file.stat().st_size for file in files) < MOST_BYTES, path
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path


def test_many_subjects_are_three_by_rank_and_all_on_the_page_of_the_dataset(browser, sixty):
    with opened(browser, sixty / "index.html") as (page, _, _):
        rows = page.locator("#brains tbody tr th a").all_inner_texts()
        assert len(rows) == 3 < FEW < 60
        assert [row.split(", ")[1].split()[0] for row in rows] == ["lowest", "median", "highest"]
        means = [
            float(text.split("mean r ")[-1].split()[0])
            for text in page.locator("#brains tbody tr th").all_inner_texts()
        ]
        assert means == sorted(means)
        assert page.locator("header details summary").inner_text() == "60 pages"
    with opened(browser, sixty / "haxby2001_slice.html") as (page, _, _):
        assert page.locator("#brains tbody tr").count() == 60


def test_a_click_on_a_heading_sorts_by_number_and_again_the_other_way(browser, ten):
    with opened(browser, ten / "index.html") as (page, _, _):
        page.locator("#models details").first.evaluate("details => details.open = true")
        table = page.locator("#models details table")
        column = table.locator("thead th").all_inner_texts().index("mean r")
        head = table.locator("thead th").nth(column)
        cells = table.locator(f"tbody tr td:nth-child({column + 1})")
        for order, down in (("ascending", False), ("descending", True)):
            head.locator("button").focus()
            page.keyboard.press("Enter")
            found = [float(text) for text in cells.all_inner_texts()]
            assert len(found) == 30
            assert found == sorted(found, reverse=down)
            assert head.get_attribute("aria-sort") == order


def test_dark_pages_have_light_text(browser, one):
    for scheme, dark in (("light", False), ("dark", True)):
        with opened(browser, one / "index.html", color_scheme=scheme) as (page, _, _):
            style = "getComputedStyle(document.documentElement)"
            paper, ink = (
                [int(part) for part in text[text.index("(") + 1 : -1].split(",")[:3]]
                for text in (page.evaluate(f"{style}.{k}") for k in ("backgroundColor", "color"))
            )
            assert (sum(paper) < sum(ink)) == dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["one", "ten"])
def test_axe_finds_nothing_serious(browser, request, axe, size, scheme):
    folder = request.getfixturevalue(size)
    for path in sorted(folder.glob("*.html")):
        with opened(browser, path, bypass_csp=True, color_scheme=scheme) as (page, _, _):
            grave = violations(page, axe)
            assert grave == [], path


def test_axe_sees_what_is_wrong(browser, axe):
    """The negative control: a picture without words, and grey on grey."""
    page = browser.new_page()
    page.set_content(
        "<main><img src='data:,'><p style='color:#999;background:#aaa'>some words</p></main>"
    )
    found = {name for name, _ in violations(page, axe)}
    page.close()
    assert {"image-alt", "color-contrast"} <= found


def test_warnings_are_in_words_with_the_number_and_what_was_done(ten):
    text = (ten / "index.html").read_text()
    assert "1 test clip looks like a training clip; it was kept." in text
    assert text.index('id="brains"') < text.index('id="warnings"') < text.index('id="methods"')


def test_numbers_are_those_of_the_files(ten):
    """By hand, from the encodings and tests of one model."""
    from tristream.inference.inference_file import read_inference

    root = ten.parent / "inference/bunny/streams"
    counts = sorted(
        int(read_inference(path)[0].found.significant.sum()) for path in root.glob("sub-*.h5")
    )
    assert len(counts) == 10
    middle = (counts[4] + counts[5]) / 2
    text = (ten / "index.html").read_text()
    assert f"model streams predicts a median of {middle:,.0f} of" in text
    assert f"({counts[0]:,} to {counts[-1]:,}) significantly" in text


def test_sections_are_in_the_order_of_the_study_and_those_left_out_are_not_there(tmp_path):
    resolved = study(
        tmp_path, "haxby2001_slice", 1, sections=["warnings", "decoders", "provenance"]
    )
    results = Results(resolved, tmp_path / "results/report")
    with style():
        findings = find(results)
        page = front_page(Study(results, findings, {}, [], {}))
    assert [section.id for section in page.sections] == ["warnings", "decoders", "provenance"]


def test_a_section_with_nothing_to_show_says_why_among_the_omissions(tmp_path):
    resolved = study(tmp_path, "haxby2001_slice", 1)
    results = Results(resolved, tmp_path / "results/report")
    with style():
        page = front_page(Study(results, Findings([], [], []), {}, [], {}))
    shown = {section.id for section in page.sections}
    assert not shown & {"brains", "models", "decoders", "group", "power", "spaces"}
    (table,) = next(s.blocks for s in page.sections if s.id == "omissions")
    whys = {row[1] for row in table.rows}
    assert {ENTRIES["brains"].absent, ENTRIES["decoders"].absent} <= whys


def test_the_list_of_sections_is_the_one_that_a_study_may_name():
    assert list(ENTRIES) == SUMMARY


@pytest.mark.parametrize(
    ("sections", "words"), [(["brain"], "'brains'"), (["group", "group"], "stands 2 times")]
)
def test_unknown_and_repeated_sections_are_refused(sections, words):
    with pytest.raises(ValidationError, match=words):
        Report(sections=sections)
