"""One file holds the report: nothing else is asked for, and nothing leads out of it."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from tristream.report import single_file
from tristream.report.elements import Page
from tristream.report.single_file import NAME, write_single_file

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
HOSTILE = "&lt;a href=&#34;https://example.org&#34;&gt;"


def page_of(file: str, body: str, banner: str = "") -> str:
    banner = f'<p class="banner" role="note">{banner}</p>' if banner else ""
    return (
        '<!doctype html><html lang="en"><head><link rel="icon" href="data:,">'
        f"<title>{file}</title></head><body>"
        '<header><a href="index.html">study</a> <a href="bunny.html">bunny</a></header>'
        f'{banner}<main id="main"><h1>{file}</h1>{body}</main><footer>end</footer></body></html>'
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "figures").mkdir()
    Image.new("RGB", (1, 1)).save(tmp_path / "figures/r.png")
    index = (
        '<section id="brains" aria-labelledby="brains-title"><h2 id="brains-title">b</h2>'
        '<a class="picture" href="figures/r.svg"><img src="figures/r.png" alt="r"></a>'
        '<span class="files"><a href="figures/r.tsv">TSV</a></span>'
        '<a href="bunny.html#data">data</a> <a href="space_flow.html">flow</a>'
        f"<p>{HOSTILE}</p></section>"
    )
    bunny = (
        '<section id="data" aria-labelledby="data-title"><h2 id="data-title">d</h2>'
        '<a href="#data">up</a><a href="../maps/x.svg"><img src="../maps/x.png" alt="map"></a>'
        "</section>"
    )
    (tmp_path / "index.html").write_text(page_of("index.html", index))
    (tmp_path / "bunny.html").write_text(page_of("bunny.html", bunny, "Simulated BOLD"))
    (tmp_path / "space_flow.html").write_text(page_of("space_flow.html", "x" * 5000))
    return tmp_path


PAGES = [Page(f"{name}.html", name, "") for name in ("index", "space_flow", "bunny")]


def test_links_lead_to_parts_of_the_file_and_pictures_are_inside(folder, tmp_path_factory):
    write_single_file(PAGES, folder)
    text = (folder / NAME).read_text()
    links = re.findall(r' href="([^"]*)"', text)
    ids = re.findall(r' id="([^"]*)"', text)
    assert {link[1:] for link in links if link != "data:,"} <= set(ids)
    assert len(ids) == len(set(ids))
    assert {"#bunny--data", "#space_flow", "#index"} <= set(links)
    assert set(re.findall(r' aria-labelledby="([^"]*)"', text)) <= set(ids)
    assert "In the folder of the study: maps/x.png" in text
    assert HOSTILE in text
    assert "Simulated BOLD" in text
    alone = tmp_path_factory.mktemp("mailed") / "report.html"
    alone.write_text(text)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page()
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(alone.as_uri(), wait_until="load")
        assert page.evaluate("[...document.images].map(i => i.naturalWidth)") == [1]
        assert {url for url in asked if not url.startswith("data:")} == {alone.as_uri()}
        browser.close()


def test_pages_that_do_not_fit_are_named_and_nothing_leads_to_them(folder, monkeypatch):
    monkeypatch.setattr(single_file, "MOST_BYTES", 3000)
    write_single_file(PAGES, folder)
    text = (folder / NAME).read_text()
    assert "too large to mail: space_flow." in text
    assert "#space_flow" not in text
    assert "#bunny--data" in text
