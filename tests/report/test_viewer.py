"""The viewer from disk, in a browser with WebGL by software: what a click reads is in the files."""

import re
from contextlib import contextmanager
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
from nibabel.affines import apply_affine
from nilearn.datasets import fetch_surf_fsaverage
from nilearn.surface import load_surf_mesh
from playwright.sync_api import sync_playwright

from helpers import report_tree
from helpers.browser import violations
from helpers.weighted_voxels import TR, give_weights, two_models
from tristream.encode.band_responses import response_curves
from tristream.encode.dual_weights import read_dual_weights
from tristream.encode.encoding_file import read_encoding
from tristream.encode.training_features import TrainingFeatures
from tristream.encode.voxel_curves import MOST_VOXELS
from tristream.inference.inference_file import read_inference
from tristream.inference.table_files import BY_REGION, REGION_COLUMNS, write_by_region
from tristream.report import viewer
from tristream.report.study_results import Results
from tristream.report.viewer import FOLDER, LICENCES, NIIVUE, offer
from tristream.space.grayordinates import CORTEX, Grayordinates
from tristream.store import Provenance, read_table

WEBGL = [
    *("--no-sandbox", "--disable-background-networking"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
]
MOST_BYTES = 5 << 20
PEAK = [-56, -24, 8]
WIDE = {"width": 1300, "height": 900}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two models of one subject; around one voxel r is planted, highest at its centre."""
    folder = tmp_path_factory.mktemp("viewer")
    resolved = two_models(folder)
    rng = np.random.default_rng(0)
    report_tree.write_bold(resolved, "bunny", "01", True, rng)
    for name, model in resolved.study.models.items():
        if "bunny" in model.datasets:
            report_tree.write_encoding(resolved, "bunny", name, "01", True, rng)
    ijk, affine, _ = report_tree.ijk_of("bunny")
    near = ((apply_affine(affine, ijk) - PEAK) ** 2).sum(axis=1)
    give_weights(resolved, "streams", "01", int(near.argmin()), rng)
    with h5py.File(encoding(resolved), "r+") as file:
        r = file["scores/r"][()]
        r[(near < 15**2) & (near > near.min())] = 0.8
        file["scores/r"][...] = r
    bands = list(resolved.study.models["streams"].bands)
    row = {"region": "Planted", "voxels": 30, "mean_r": 0.7654, "significant": 12, "peak_r": 0.9123}
    row |= dict(zip("xyz", PEAK, strict=True)) | {f"split_r2_{band}": 0.25 for band in bands}
    table = pd.DataFrame([row], columns=[*REGION_COLUMNS, *(f"split_r2_{band}" for band in bands)])
    path = folder / "results/inference/bunny/streams/sub-01_regions.tsv"
    write_by_region(path, table, bands, Provenance(BY_REGION, True))
    results = Results(resolved, folder / "results/report", "c0de")
    (said,) = offer(results, "bunny", "01")
    return resolved, results.folder, said


def encoding(resolved) -> Path:
    return Path(resolved.study.results) / "encode/bunny/streams/sub-01.h5"


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=WEBGL)
        yield browser
        browser.close()


@contextmanager
def opened(browser, path, **options):
    page = browser.new_page(viewport=WIDE, **options)
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri(), wait_until="load")
    page.wait_for_selector("html[data-ready]", state="attached", timeout=60_000)
    yield page, asked, said
    page.close()


def until(page, what: str) -> None:
    """Wait for an expression of the page; the page's policy lets playwright's own wait ask once."""
    for _ in range(600):
        if page.evaluate(what):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {what}")


def numbers(page) -> dict[str, str]:
    rows = page.locator("#readout tr").all()
    return {row.locator("th").inner_text(): row.locator("td").inner_text() for row in rows}


def expected(resolved, place: int) -> dict[str, str]:
    """By hand, from the files."""
    out = {}
    with h5py.File(encoding(resolved)) as file:
        bands = [band.decode() for band in file["bands"][()]]
        out["r"] = file["scores/r"][place]
        out["R²"] = file["scores/r2"][place]
        out["ceiling"] = file["ceiling/r"][place]
        out["cross-validated R²"] = file["hyper/cv"][place]
        for row, band in enumerate(bands):
            out[f"R² of {band}"] = file["scores/band_r2"][row, place]
            out[f"weight of {band}"] = file["hyper/gamma"][row, place]
        shares = file["scores/band_r2"][:3, place]
        winner = bands[int(shares.argmax())] if shares.max() > 0 else "none"
    written = {name: f"{value:.4f}" for name, value in out.items()} | {"winning stream": winner}
    path = Path(resolved.study.results) / "inference/bunny/streams/sub-01.h5"
    found = read_inference(path)[0].found
    written["significant"] = "yes" if found.significant[place] else "no"
    return written


def test_a_click_on_the_planted_peak_reads_what_the_files_say(study, browser):
    resolved, folder, said_on_page = study
    path = folder / said_on_page.more.href
    with opened(browser, path) as (page, asked, said):
        # Elsewhere in the slice of the peak, whose place on the canvas niivue then knows.
        page.evaluate("(mm) => viewer.seen().goTo(mm)", [PEAK[0] + 48, PEAK[1] + 24, PEAK[2]])
        text = "document.querySelector('#readout').innerText"
        until(page, f"{text}.includes('significant') && !{text}.includes('0.9123')")
        before = numbers(page)
        x, y = page.evaluate(
            "(mm) => {const nv = viewer.seen().nv; return nv.frac2canvasPos(nv.mm2frac(mm));}", PEAK
        )
        box = page.locator("#slices canvas").bounding_box()
        page.mouse.click(box["x"] + x, box["y"] + y)
        until(page, "document.querySelector('#readout').innerText.includes('0.9123')")
        read = numbers(page)
        assert said == []
        assert {Path(url).name for url in asked} == {path.name, NIIVUE}
    with h5py.File(encoding(resolved)) as file:
        place = int(file["scores/r"][()].argmax())
    wanted = expected(resolved, place)
    assert {name: read[name] for name in wanted} == wanted
    assert before["r"] != read["r"]
    assert read["voxel at (mm)"] == ", ".join(f"{mm:.1f}" for mm in PEAK)


def test_a_region_has_its_row_of_the_table_and_leads_to_its_peak(study, browser):
    _, folder, said_on_page = study
    with opened(browser, folder / said_on_page.more.href) as (page, _, said):
        page.evaluate("viewer.seen().goTo([0, -40, 30])")
        page.select_option("#region", label="Planted")
        until(page, "document.querySelector('#readout').innerText.includes('0.9123')")
        lines = page.locator("#of-region tr").all_inner_texts()
        told = dict(line.split("\t") for line in lines)
        assert told["mean r"] == "0.765"
        assert told["significant voxels"] == "12"
        assert told["mean R² of dorsal"] == "0.25"
        assert told["its largest r at (mm)"] == ", ".join(f"{mm:.1f}" for mm in PEAK)
        assert numbers(page)["voxel at (mm)"] == told["its largest r at (mm)"]
        assert said == []


def test_a_region_of_a_surface_leads_to_the_vertex_of_its_largest_r():
    structure = np.repeat([0, 1, 2], (4, 4, 2))
    where = Grayordinates(structure, (*CORTEX, "THALAMUS_LEFT"), (4, 4, 0))
    ijk = np.zeros((10, 3), np.int32)
    ijk[:8, 0] = [0, 1, 2, 3] * 2
    ijk[8:] = [[1, 0, 0], [2, 0, 0]]
    r = np.array([0.1, 0.5, np.nan, 0.2, 0.3, 0.2, 0.4, 0.1, 0.2, 0.9])
    scored = SimpleNamespace(
        ijk=ijk, affine=np.eye(4), scores=SimpleNamespace(r=r), grayordinates=where
    )
    unknown = dict.fromkeys("xyz", np.nan)
    for region, expected in ((CORTEX[0], 1), (CORTEX[1], 6), ("all voxels", 9)):
        assert viewer._peak(pd.Series({"region": region, **unknown}), scored) == expected
    # A vertex with the indices of the voxel is not it.
    voxel = {"region": "THALAMUS_LEFT", "x": 2.0, "y": 0.0, "z": 0.0}
    assert viewer._peak(pd.Series(voxel), scored) == 9


def test_a_click_reads_the_response_over_delays_and_the_top_stimuli(study, browser):
    resolved, folder, said_on_page = study
    fitted, _ = read_encoding(encoding(resolved))
    place, least = int(fitted.scores.r.argmax()), int(fitted.fitted.cv.argmin())
    with opened(browser, folder / said_on_page.more.href) as (page, _, said):
        page.evaluate("(mm) => viewer.seen().goTo(mm)", PEAK)
        until(page, "document.querySelector('#readout').innerText.includes('0.9123')")
        read = numbers(page)
        assert page.locator("#readout svg polyline").count() == len(fitted.bands)
        label = page.locator("#readout svg").get_attribute("aria-label")
        link = page.locator("a", has_text="model streams").get_attribute("href")
        page.evaluate("(place) => viewer.seen().goTo(viewer.seen().mmOf(place))", least)
        until(page, "document.querySelector('#readout').innerText.includes('kept for')")
        elsewhere = numbers(page)["HRF, top stimuli"]
        page.select_option("#group", label="model shifted")
        until(page, "viewer.state.group.name === 'model shifted'")
        until(page, "!document.querySelector('#readout').innerText.includes('stimul')")
        assert said == []
    assert elsewhere.startswith(f"kept for the {MOST_VOXELS} places")
    table = read_table(folder / FOLDER / link, "figure")[0]
    row = table[(table[list("ijk")] == fitted.ijk[place]).all(axis=1)].iloc[0]
    source = TrainingFeatures(fitted, encoding(resolved))
    dual = read_dual_weights(encoding(resolved), fitted.fitted)
    for band in fitted.bands:
        curves = response_curves(fitted, dual, source, band, np.array([place]))
        told = dict(one.split(" s ") for one in read[f"HRF of {band}"].split(", "))
        assert [float(s) for s in told] == [TR * delay for delay in fitted.about["delays"]]
        curve = np.array([float(value) for value in told.values()])
        assert np.abs(curve - curves.curve[:, 0]).max() < 6e-5
        assert np.allclose([row[f"{band}, {float(s):g} s"] for s in told], curves.curve[:, 0])
        assert f"{band} largest after {list(told)[curve.argmax()]} s" in label
        length = np.sqrt((curves.norm[:, 0] ** 2).sum())
        assert float(read[f"length of weights of {band}"]) == pytest.approx(length, rel=0.01)
        assert row[f"{band}, length"] == pytest.approx(length)
    run = list(resolved.datasets["bunny"].runs)[-1]
    for rank, (start, height) in enumerate(((60, 3), (20, 2), (80, 1)), start=1):
        name = f"film, {start} to {start + 20} s of {run}"
        means = f"{height:.4f}, predicted {height / 2:.4f}"
        assert read[f"top stimulus {rank}"] == f"{name}: {means}"
        assert row[f"stimulus {rank}"] == name
        assert (row[f"measured {rank}"], row[f"predicted {rank}"]) == (height, height / 2)


@pytest.mark.parametrize("view", ["inflated", "flat"])
def test_a_click_on_a_surface_reads_the_voxel_under_the_vertex(study, browser, view):
    resolved, folder, said_on_page = study
    with opened(browser, folder / said_on_page.more.href) as (page, _, said):
        page.select_option("#view", view)
        page.wait_for_selector(f"html[data-ready={view}]", state="attached", timeout=60_000)
        first = numbers(page)
        box = page.locator("#surface canvas").bounding_box()
        page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"])
        until(page, f"!document.querySelector('#readout').innerText.includes('{first['vertex']}')")
        page.wait_for_timeout(300)
        read = numbers(page)
        assert said == []
    side, vertex = re.fullmatch(r"(\w+), vertex (\d+)", read["vertex"]).groups()
    paths = fetch_surf_fsaverage("fsaverage5")
    depths = [load_surf_mesh(paths[f"{kind}_{side}"]).coordinates for kind in ("white", "pial")]
    with h5py.File(encoding(resolved)) as file:
        xyz = apply_affine(file["affine"][()], file["ijk"][()])
    away = np.abs(xyz - np.mean(depths, axis=0)[int(vertex)]).max(axis=1)
    assert away.min() < 4  # half a voxel
    wanted = expected(resolved, int(away.argmin()))
    assert {name: read[name] for name in wanted} == wanted


def test_threshold_and_significance_change_what_is_seen(study, browser):
    _, folder, said_on_page = study
    with opened(browser, folder / said_on_page.more.href) as (page, _, said):

        def opacities():
            page.wait_for_timeout(100)
            image = "[...viewer.seen().nv.volumes[1].img].filter((_, i) => i % 4 === 3)"
            return np.array(page.evaluate(image))

        def move(name, value):
            page.locator(name).evaluate(
                "(e, v) => {e.value = v; e.dispatchEvent(new Event('input'));}", value
            )

        faded = opacities()
        page.uncheck("#faint")
        whole = opacities()
        assert set(np.unique(whole)) == {0, 255}
        assert set(np.unique(faded)) == {0, 76, 255}
        move("#threshold", 0.4)
        held = page.evaluate(
            "viewer.state.values.filter((v) => Math.abs(v) >= Number(threshold.value)).length"
        )
        assert 0 < held < (whole > 0).sum()
        assert (opacities() > 0).sum() == held
        move("#threshold", 0)
        move("#opacity", 0.5)
        assert set(np.unique(opacities())) == {0, 127}
        page.select_option("#map", label="winning stream")
        until(page, "document.querySelector('#names').innerText.includes('dorsal')")
        page.select_option("#group", label="model shifted")
        until(page, "viewer.state.group.name === 'model shifted'")
        assert said == []


def test_no_script_but_its_own_runs(study, browser):
    """The policy names niivue by a nonce; another file, an inline script or a text do not run."""
    _, folder, said_on_page = study
    path = folder / said_on_page.more.href
    text = path.read_text()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert not re.search(r"unsafe|file:|blob:|\*|https?:", policy)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    (path.parent / "other.js").write_text("window.ran = 'a file';")
    bad = "<script src=other.js></script><script>window.ran = 'inline';</script></main>"
    changed = path.with_name("changed.html")
    changed.write_text(text.replace("</main>", bad))
    with opened(browser, changed) as (page, _, said):
        assert page.evaluate("window.ran") is None
        assert sum("Content Security Policy" in one for one in said) == 2
    changed.unlink()
    (path.parent / "other.js").unlink()


def test_axe_finds_nothing_serious(study, browser, axe):
    _, folder, said_on_page = study
    for scheme in ("light", "dark"):
        path = folder / said_on_page.more.href
        with opened(browser, path, bypass_csp=True, color_scheme=scheme) as (page, _, _):
            assert violations(page, axe) == []


def test_the_page_is_small_and_niivue_lies_beside_it_once(study):
    _, folder, _ = study
    lying = {path.name: path.stat().st_size for path in (folder / FOLDER).iterdir()}
    assert set(lying) == {"bunny_sub-01.html", NIIVUE, LICENCES}
    assert lying["bunny_sub-01.html"] < MOST_BYTES


def test_niivue_is_the_file_that_its_licences_name():
    assets = files("tristream.report").joinpath("assets")
    told = assets.joinpath(LICENCES).read_text()
    assert sha256(assets.joinpath(NIIVUE).read_bytes()).hexdigest() in told
    assert "BSD 2-Clause" in told


def test_a_subject_without_results_has_no_viewer(study, tmp_path):
    resolved, _, _ = study
    results = Results(resolved, tmp_path / "report", "c0de")
    encoding(resolved).parent.parent.rename(tmp_path / "away")
    try:
        assert offer(results, "bunny", "01") == []
    finally:
        (tmp_path / "away").rename(encoding(resolved).parent.parent)
    assert not (tmp_path / "report").exists()
