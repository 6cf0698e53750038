"""Text of datasets reaches pages, tables and files as text: every payload is there, none obeyed."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from markupsafe import escape
from playwright.sync_api import Page, sync_playwright

import tristream.report
from helpers import report_tree
from tristream.config.load import load
from tristream.decode.decoding_file import read_decoding, write_decoding
from tristream.errors import UserError, masked
from tristream.fetch.receipt import Receipt
from tristream.maps.map_images import write_nifti
from tristream.report.build import build
from tristream.report.rendering import hash_of
from tristream.stimuli.tables import LEAKAGE, LeakageTable, write_leakage
from tristream.store import Omission, Provenance, read_table, write_table

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SCRIPT = (Path(tristream.report.__file__).parent / "assets/report.js").read_text()
# Each is known by its number.
CORPUS = {
    "html": "<script>document.title='P{n}'</script><b id=p{n}>bold</b>",
    "attribute": '" onmouseover="alert({n})" x=\'\' autofocus onfocus=alert({n}) y="',
    "image": "<img src=x{n} onerror=alert({n})><svg onload=alert({n})>",
    "frame": "<iframe srcdoc='<script>alert({n})</script>'></iframe><base href=//evil{n}.example>",
    "style": "</style></title></pre></textarea><style>body{{background:url(//evil{n}.example)}}",
    "link": "javascript:alert({n})",
    "meta": "<meta http-equiv=refresh content='0;url=https://evil{n}.example'>",
    "template": "{{{{ 7*{n} }}}}{{% raw %}}${{7*{n}}}",
    "markdown": "![x](https://evil{n}.example/a.png) [y](javascript:alert({n}))",
    "bibtex": "}} , note = {{\\input{{/etc/passwd}} \\write18{{id}} {n}}} @article{{x{n}, ",
    "formula": '=HYPERLINK("https://evil{n}.example","open")',
    "command": "+cmd|' /C calc'!A{n}",
    "at": "@SUM(1+{n})*cmd|' /C calc'!A0",
    "shell": "$(touch pwned{n}); `touch pwned{n}` | touch pwned{n} && ' \" \\ ",
    "mathtext": "$\\frac{{{n}}}$ $\\unknown{{x}}$ %s %(x)s \\n",
    "bidi": "\u202egnp.{n}\u202c",
    "entities": "&lt;script&gt;{n}&amp;&#x3c;",
}
PAYLOAD = {name: text.format(n=100 + k) for k, (name, text) in enumerate(CORPUS.items())}
ALL = " § ".join(PAYLOAD.values())


def write_hostile_study(folder: Path) -> Path:
    """A study whose every free text, in configuration, descriptor and results, is the corpus."""
    study = yaml.safe_load((report_tree.REPOSITORY / "config.yaml").read_text())
    study |= {"title": ALL, "results": str(folder / "results"), "models": {}, "inference": {}}
    study["datasets"] = {"haxby2001_slice": {}}
    (folder / "config.yaml").write_text(yaml.safe_dump(study, allow_unicode=True))
    source = report_tree.REPOSITORY / "workflow/datasets/haxby2001_slice.yaml"
    descriptor = yaml.safe_load(source.read_text())
    descriptor |= {key: ALL for key in ("title", "licence", "citation", "credit")}
    (folder / "descriptors").mkdir()
    (folder / "descriptors/haxby2001_slice.yaml").write_text(yaml.safe_dump(descriptor))
    root = folder / "results"
    omitted = (Omission(ALL, ALL),)
    receipt = {"source": {"kind": ALL, "url": ALL}, "commit": ALL, "files": []}
    receipt |= {key: ALL for key in ("dataset", "subject", "root", "name", "licence")}
    about = Provenance("receipt", False, omitted=omitted).to_json()
    for path in ("dataset.json", "sub-1/receipt.json"):
        place = root / "fetch/haxby2001_slice" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(about | receipt))
    table = pd.DataFrame({name: list(PAYLOAD.values()) for name in LEAKAGE})
    methods = (ALL,)
    checked = [{"check": ALL, ALL: ALL}]
    path = root / "stimuli/haxby2001_slice/leakage.tsv"
    said = Provenance("leakage", False, methods=methods)
    write_leakage(LeakageTable(path, table, checked, [], [], None, said))
    said = Provenance("decoding", False, omitted=omitted, methods=methods)
    for name in ("ridge_volumes", "svm_blocks"):
        report_tree.write_decoding(root, "haxby2001_slice", name, "1", np.random.default_rng(0))
        path = root / f"decode/haxby2001_slice/{name}/sub-1.h5"
        stored, _ = read_decoding(path)
        classes = [*PAYLOAD.values()][: len(stored.classes)]
        runs = [ALL, *stored.runs[1:]]
        write_decoding(path, replace(stored, classes=classes, runs=runs, permuted=ALL), said)
    return folder / "config.yaml"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    config = write_hostile_study(folder)
    build(load(config, folder / "descriptors"), folder / "results/report/index.html")
    return folder / "results/report"


@pytest.fixture(scope="module")
def opened() -> Iterator[Page]:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser.new_page()
        browser.close()


def test_every_payload_is_on_the_pages_as_text(report, opened):
    """What a reader sees in a browser: whole texts; no element, request or dialog of theirs."""
    asked: list[str] = []
    said: list[str] = []
    opened.on("request", lambda one: asked.append(one.url))
    opened.on("dialog", lambda one: (said.append(one.message), one.dismiss()))
    opened.on("console", lambda one: said.append(one.text))
    opened.on("pageerror", lambda one: said.append(str(one)))
    seen = ""
    for path in sorted(report.glob("*.html")):
        opened.goto(path.as_uri(), wait_until="load")
        opened.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        for box in opened.query_selector_all("a, td, figure"):
            box.dispatch_event("mouseover")
        seen += opened.evaluate("document.documentElement.textContent")
        foreign = opened.evaluate(
            "[...document.querySelectorAll('script,iframe,svg,base,object,embed,form,input,b[id],"
            "[onerror],[onload],[onfocus],[onmouseover],meta[http-equiv=refresh]')]"
            ".map(e => e.outerHTML)"
        )
        # The one that sorts tables is the report's own.
        assert foreign == [f"<script>{SCRIPT}</script>"], path
        links = opened.evaluate("[...document.links].map(a => a.protocol)")
        assert set(links) <= {"file:"}, path
        assert not re.fullmatch(r"P\d+", opened.title())
    for name, text in PAYLOAD.items():
        assert text in seen, name
    assert said == []
    assert all(url.startswith(("file:", "data:")) for url in asked), asked


def test_pages_allow_no_script_and_no_style_but_their_own(report, opened, tmp_path):
    """The positive control: what slipped through unescaped would still not run."""
    page = next(report.glob("haxby2001_slice.html")).read_text()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert "unsafe" not in policy
    assert policy.count("script") == 1
    assert f"; script-src '{hash_of(SCRIPT)}';" in policy
    assert policy.startswith("default-src 'none'")
    escaped = str(escape(PAYLOAD["html"]))
    assert escaped in page
    broken = tmp_path / "broken.html"
    broken.write_text(
        page.replace(escaped, PAYLOAD["html"]).replace("<h1>", "<h1 style='top:9px'>")
    )
    opened.goto(broken.as_uri(), wait_until="load")
    assert opened.query_selector("#p100") is not None  # it did slip through
    assert opened.title() != "P100"
    assert opened.evaluate("getComputedStyle(document.querySelector('h1')).top") != "9px"
    opened.goto((report / "index.html").as_uri(), wait_until="load")
    assert opened.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none"


def test_figures_show_the_texts_and_hold_no_script(report, opened):
    text = ""
    for path in sorted((report / "figures").rglob("*.svg")):
        opened.goto(path.as_uri(), wait_until="load")
        foreign = "document.querySelectorAll('script,foreignObject,iframe,meta,b').length"
        assert opened.evaluate(foreign) == 0, path
        text += opened.evaluate("document.documentElement.textContent")
    # Long labels are cut.
    assert {name for name, one in PAYLOAD.items() if one[:20] in text} >= {"html", "image", "style"}


def test_tables_open_in_a_spreadsheet_without_formulas(report, tmp_path):
    for path in report.rglob("*.tsv"):
        for line in path.read_text().splitlines():
            for cell in line.split("\t"):
                bare = cell.strip('"')
                assert not re.match(r"[=+@]|-(?!\d|\.\d|inf)", bare), (path, cell)
    for path in sorted(report.rglob("*confusion*.tsv")):
        table, _ = read_table(path, "figure")
        assert set(table["true"]) <= {*PAYLOAD.values()}
    texts = [
        *PAYLOAD.values(),
        "'quoted",
        "'=1",
        "''=1",
        "-",
        "-0.5",
        "'-0.5",
        "+1e3",
        "a\tb\nc",
        "",
    ]
    table = pd.DataFrame({"=x": texts, "n": np.arange(len(texts)) - 3.5})
    given = Provenance("receipt", False)
    write_table(tmp_path / "t.tsv", table, given, {"=x": "text"})
    again, _ = read_table(tmp_path / "t.tsv", "receipt")
    assert again["=x"].tolist() == texts
    assert again["n"].tolist() == table["n"].tolist()


def test_bibliography_and_study_are_what_they_were(report):
    from pybtex.database import parse_file

    parse_file(str(report / "references.bib"))
    assert "write18" not in (report / "references.bib").read_text()
    study = yaml.safe_load((report / "study.yaml").read_text())
    assert study["title"] == ALL


def test_headers_of_maps_hold_text(tmp_path):
    path = tmp_path / "a.nii.gz"
    given = Provenance("maps", False)
    write_nifti(path, np.zeros((2, 2, 2), np.float32), np.eye(4), ALL, given)
    assert nib.load(path).shape == (2, 2, 2)
    assert json.loads((tmp_path / "a.json").read_text())["Description"] == ALL


SECRET = "s3cr3t"
ADDRESSES = (
    f"https://someone:{SECRET}@example.org/data.git",
    f"https://{SECRET}@example.org/data.git",
    f"https://example.org/a?X-Amz-Signature={SECRET}&x=1",
    f"http://example.org/a?x=1&access_token={SECRET}#y",
    f"ssh://git:{SECRET}@example.org/x",
    f"https://someone:p@{SECRET}@example.org/data.git",
    f'https://someone:p"{SECRET}@example.org/data.git',
    *(
        f"https://example.org/a?{key}={SECRET}&x=1"
        for key in ("pat", "pwd", "jwt", "code", "access")
    ),
    f"https://example.org/a?x=1;jwt={SECRET}",
    f"https://example.org/a#token={SECRET}",
    f"https://example.org/a#access_token={SECRET}&state=1",
    f"https://example.org/a?TOKEN%3D{SECRET}",
)
TOKENS = (
    "ghp_0123456789abcdefghij0123456789abcdef",
    "github_pat_11ABCDEFG0123456789_abcdefghijklmnop",
    "hf_abcdefghijABCDEFGHIJabcdefghijABCD",
    "glpat-abcdefghij0123456789",
    "pypi-AgEIcHlwaS5vcmcabcdefghij",
    "xoxb-123456789012-abcdefghij",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_secrets_of_addresses_stay_out_of_results_and_messages(tmp_path, address):
    assert SECRET not in masked(f"fetch of <{address}> failed; see {address}.")
    assert "example.org" in masked(address)
    assert SECRET not in str(UserError(f"{address}: can't be cloned"))
    about = {"dataset": "d", "subject": None, "commit": "", "root": tmp_path, "name": "n"}
    source = {"kind": "datalad", "url": address}
    receipt = Receipt(**about, source=source, licence="", files=(), simulated=False)
    receipt.write(tmp_path / "receipt.json")
    assert SECRET not in (tmp_path / "receipt.json").read_text()
    assert Receipt.read(tmp_path / "receipt.json").source["kind"] == "datalad"


def test_addresses_without_secrets_and_other_text_stay():
    for text in ("https://example.org/a?x=1&key", "me@example.org", "a@b://c", "file:///x@y/z"):
        assert masked(text) == text


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: token[:4])
def test_tokens_are_known_by_their_shape(token):
    for text in (f"https://example.org/{token}/a.git", f"remote: {token} expired", f"'{token}'"):
        assert token not in masked(text)
        assert masked(text) == text.replace(token, "***")


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"{{'authorization': 'Basic {SECRET}=='}}",
        f"Proxy-Authorization: Basic {SECRET}",
        f"PRIVATE-TOKEN: {SECRET}",
        f'-H "X-Api-Key: {SECRET}"',
        f'password="my {SECRET}"',
        f"{{'password': '{SECRET}'}}",
        f"passphrase={SECRET}",
        f'{{"url": "https:\\/\\/someone:{SECRET}@example.org\\/data.git"}}',
    ],
)
def test_secrets_of_headers_and_settings_stay_out_of_messages(text):
    assert SECRET not in masked(text)
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://doi.org/10.1038/s41586-020-2314-9",
        "https://example.org/code/token/access.py?page=2#tokens",
        "https://example.org/a?zipcode=12&compact=1&path=x&barcode=3#section-2",
        "https://www.npmjs.com/package/@niivue/niivue@0.69.0",
        '["https://example.org", "me@example.org"]',
        "<a href='https://example.org'>me@example.org</a>",
        "results/code/token=3/sub-01_desc-code_bold.nii.gz",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "MD5E-s12--d41d8cd98f00b204e9800998ecf8427e.nii.gz",
        "hf_hub_download, ghp_short, AKIA, eyJ, glpat-x, sk-learn; a bearer of news",
        "tokens: class\naccess: open\ncode: 7\npassword: ask the owner; Authorization: none",
        "PWD=/home/me; the access code of a session",
    ],
)
def test_what_only_looks_like_a_secret_stays(text):
    assert masked(text) == text


def test_scripts_and_templates_of_the_report_are_not_masked():
    for path in (Path(tristream.report.__file__).parent).rglob("*.*"):
        if path.suffix in (".js", ".css", ".html"):
            text = path.read_text(encoding="utf-8")
            assert masked(text) == text, path.name


def test_a_terminal_is_not_steered_by_names():
    assert str(UserError("a\x1b[2Jb\u202ec")) == "a\\x1b[2Jb\\u202ec"
