"""The whole report as one file to mail: its pages below each other, its pictures inside.

Pages are joined as they were written. Their text is escaped, so that what looks like an attribute
is one.
"""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from tristream.report.elements import Page
from tristream.store import atomic_path

NAME = "report.html"
# What mail servers commonly take, less what encoding an attachment adds.
MOST_BYTES = 15_000_000
MAIN, END = '<main id="main">', "</main>"
FILES = re.compile(r'<span class="files">.*?</span>', re.DOTALL)
TABLES = re.compile(r' <a href="[^"]*\.tsv">TSV</a>')
ELSEWHERE = re.compile(r'<img src="((?:\.\./)[^"]*)"[^>]*>')
BANNER = re.compile(r'<p class="banner" role="note">.*?</p>', re.DOTALL)
ATTRIBUTE = re.compile(r' (id|aria-labelledby|href|src)="([^"]*)"')


def write_single_file(pages: Sequence[Page], folder: Path) -> None:
    """Join the pages in `folder`, those of feature spaces and films last, as far as they fit.

    Pictures that lie outside of the report's folder, the large maps, are named and not taken in:
    the report opens what its rule declares, and they are not.
    """
    ordered = sorted(pages, key=lambda page: page.file.startswith("space_"))
    written = {page.file: (folder / page.file).read_text(encoding="utf-8") for page in ordered}
    kept: dict[str, str] = {}
    total = 0
    for file, html in written.items():
        part = _with_pictures(_main(html, first=file == ordered[0].file), folder)
        if total + len(part) <= MOST_BYTES or not kept:
            kept[file] = part
            total += len(part)
    articles = [
        f'<article id="{_stem(file)}">\n{_linked(part, file, kept)}\n</article>'
        for file, part in kept.items()
    ]
    if left := [escape(page.title) for page in ordered if page.file not in kept]:
        text = "Left out of this file, which would be too large to mail: "
        articles.append(f'<p class="missing">{text}{", ".join(left)}.</p>')
    whole = written[ordered[0].file]
    start, end = whole.index(MAIN), whole.rindex(END)
    head = _linked(whole[:start], "", kept)
    with atomic_path(folder / NAME) as temporary:
        temporary.write_text(
            "\n".join([head + MAIN, *articles, END + whole[end + len(END) :]]), encoding="utf-8"
        )


def _stem(file: str) -> str:
    return file.removesuffix(".html")


def _main(html: str, first: bool) -> str:
    """What a page says, with the banner that stands above it; the first keeps its own place."""
    inside = html[html.index(MAIN) + len(MAIN) : html.rindex(END)]
    banner = BANNER.search(html[: html.index(MAIN)])
    inside = TABLES.sub("", FILES.sub("", inside))
    return inside if first or banner is None else banner.group() + inside


def _with_pictures(html: str, folder: Path) -> str:
    html = ELSEWHERE.sub(
        lambda found: f'<span class="missing">In the folder of the study: {found[1][3:]}</span>',
        html,
    )

    def taken_in(found: re.Match[str]) -> str:
        data = b64encode((folder / found[2]).read_bytes()).decode()
        return f' src="data:image/png;base64,{data}"'

    return ATTRIBUTE.sub(lambda f: taken_in(f) if f[1] == "src" else f[0], html)


def _linked(html: str, file: str, kept: Mapping[str, str]) -> str:
    """Links and anchors of a page among the others; those to files lead nowhere."""
    own = f"{_stem(file)}--" if file else ""

    def changed(found: re.Match[str]) -> str:
        name, value = found.groups()
        if value.startswith("data:"):
            return found[0]
        if name != "href":
            return f' {name}="{own}{value}"'
        page, _, anchor = value.partition("#")
        if not page:
            return f' href="#{own}{anchor}"'
        if page not in kept:
            return ""
        return f' href="#{_stem(page)}{"--" * bool(anchor)}{anchor}"'

    return ATTRIBUTE.sub(changed, html)
