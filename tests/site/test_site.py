"""The built site: every page is there, every link leads somewhere, and nothing asks the network."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import sync_playwright

import tristream
from helpers import REPOSITORY
from tristream.cli import STAGES

pytestmark = pytest.mark.site
SITE = REPOSITORY / "_site"
DOCS = REPOSITORY / "docs"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}


class Page(HTMLParser):
    """Anchors, links, and what a browser would fetch."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.fetched.append(given["href"])
        if tag in FETCHED and FETCHED[tag] in given:
            self.fetched.append(given[FETCHED[tag]])


def pages(site: Path) -> dict[Path, Page]:
    return {path.resolve(): Page(path) for path in site.rglob("*.html")}


def broken(found: dict[Path, Page]) -> list[str]:
    """Links within the site that lead nowhere."""
    wrong = []
    for path, page in found.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            lost = not target.exists()
            if not lost and parts.fragment and target in found:
                lost = unquote(parts.fragment) not in found[target].anchors
            if lost:
                wrong.append(f"{path.name}: {link}")
    return wrong


def asked(site: Path, found: dict[Path, Page]) -> list[str]:
    """Addresses elsewhere that an opened page would fetch."""
    wrong = [
        f"{path.name}: {address}"
        for path, page in found.items()
        for address in page.fetched
        if urlsplit(address).netloc or urlsplit(address).scheme not in ("", "data")
    ]
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        wrong += [
            f"{path.name}: {one}" for one in re.findall(r"url\([\"']?(?:https?:)?//\S+", text)
        ]
    return wrong


@pytest.fixture(scope="module")
def built() -> dict[Path, Page]:
    found = pages(SITE)
    assert found, "run `make site`"
    return found


def test_every_page_of_the_sources_is_a_page_of_the_site(built):
    sources = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    assert {path for path in sources if (SITE / path).resolve() not in built} == set()
    # Every one is reached from the first.
    first = built[(SITE / "index.html").resolve()]
    assert {
        path for path in sources if path.as_posix() not in {*first.links, "index.html"}
    } == set()


def test_links_within_the_site_lead_somewhere(built):
    assert sum(len(page.links) for page in built.values()) > 1000
    assert broken(built) == []


def test_nothing_is_fetched_from_elsewhere(built):
    assert asked(SITE, built) == []


def test_a_broken_link_and_a_font_of_the_web_are_noticed(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html"></a><a href="#no"></a><a id="yes" href="#yes"></a>'
        '<link rel="stylesheet" href="https://fonts.example/f.css">'
        '<script src="//cdn.example/m.js"></script>'
    )
    (tmp_path / "a.css").write_text("@import url(https://fonts.example/g.css);")
    found = pages(tmp_path)
    assert broken(found) == ["a.html: b.html", "a.html: #no"]
    assert len(asked(tmp_path, found)) == 3


def test_generated_pages_have_the_whole_command_line_and_every_public_name(built):
    commands = (SITE / "commands.html").read_text(encoding="utf-8")
    for stage in STAGES:
        assert f"usage: tristream {stage}" in commands
    api = built[(SITE / "api.html").resolve()]
    assert {f"tristream.{name}" for name in tristream.PUBLIC} <= api.anchors


@pytest.mark.parametrize("name", ["index.html", "encoding.html", "api.html"])
def test_a_page_that_is_opened_asks_nobody_and_complains_of_nothing(built, name):
    requests, said = [], []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((SITE / name).resolve().as_uri(), wait_until="load")
        browser.close()
    assert requests
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert said == []
