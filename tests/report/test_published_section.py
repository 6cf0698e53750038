"""Published numbers stand beside one's own, as text, only where something was identified."""

import pytest

from helpers import REPOSITORY, report_tree
from helpers.identification_study import Study
from tristream.config.dataset import Published
from tristream.config.identification import Identification
from tristream.config.load import descriptor
from tristream.decode.identification_file import write_identification
from tristream.errors import UserError
from tristream.report.build import write_pages
from tristream.report.elements import Page
from tristream.report.sections import published
from tristream.report.study_results import Results

DATASET = "haxby2001_slice"
HOSTILE = "<script>alert(1)</script>"


def known(measure, candidates, value):
    return Published(
        measure=measure,
        candidates=candidates,
        value=value,
        spread="± .02",
        how="A network",
        source=f"Someone 2020 {HOSTILE}",
        comparable="in part",
    )


@pytest.fixture
def results(tmp_path):
    resolved = report_tree.read_study(report_tree.write_study(tmp_path))
    numbers = [known("pairwise", 60, 0.876), known("best", 5, 0.581), known("top5", 50, 0.5)]
    own = resolved.datasets[DATASET].model_copy(update={"published": numbers})
    resolved.datasets[DATASET] = own
    return Results(resolved, tmp_path / "results/report")


def test_own_numbers_of_the_same_measures_stand_below(results, tmp_path):
    space = next(iter(results.resolved.study.features))
    block = Identification(datasets=[DATASET], features=[space])
    results.resolved.study.identification["objects"] = block
    rows, sets, provenance = Study(tmp_path / "study").fit()
    where = {"dataset": DATASET, "identification": "objects", "subject": "1"}
    paths = [results.path(place, **where) for place in ("identification", "identification_sets")]
    write_identification(*paths, rows, sets, provenance)
    (table,) = published.section(results, DATASET).blocks
    assert [row[0] for row in table.rows[:3]] == ["published"] * 3
    own = [dict(zip(table.columns, row, strict=True)) for row in table.rows[3:]]
    # Two layers from two regions, two measures; nobody is among five of fifty here.
    assert len(own) == 8
    seen = rows[(rows["set"] == "seen") & (rows["layer"] == "early") & (rows["region"] == "V1")]
    assert {"pairwise", "named right"} == {row["measure"] for row in own}
    first = own[0]
    assert first["how"] == "objects: net/early, V1, ridge"
    assert first["value"] == f"{seen['pairwise'].item():.3f}"
    five = [row for row in own if row["measure"] == "named right"]
    assert {row["candidates"] for row in five} == {5}
    page = Page("d.html", "d", "d", "")
    page.sections = [published.section(results, DATASET)]
    write_pages([page], results.resolved, tmp_path / "d.html")
    html = (tmp_path / "d.html").read_text()
    assert HOSTILE not in html
    assert "Someone 2020 &lt;script&gt;" in html
    assert "0.876 ± .02" in html


def test_pairwise_figures_are_shown_where_candidates_are_the_tested_items(results, tmp_path):
    space = next(iter(results.resolved.study.features))
    block = Identification(datasets=[DATASET], features=[space], candidates="trained")
    results.resolved.study.identification["objects"] = block
    rows, sets, provenance = Study(tmp_path / "study").fit(candidates="trained")
    where = {"dataset": DATASET, "identification": "objects", "subject": "1"}
    paths = [results.path(place, **where) for place in ("identification", "identification_sets")]
    write_identification(*paths, rows, sets, provenance)
    (table,) = published.section(results, DATASET).blocks
    assert {row[1] for row in table.rows[3:]} == {"named right"}
    assert "depends on which candidates there are" in table.caption


def test_without_identification_there_is_no_section(results):
    assert published.names(results, DATASET) == []


def test_shipped_numbers_are_those_of_their_sources():
    folder = [REPOSITORY / "workflow/datasets"]
    music, images = (descriptor(one, folder, folder[0]) for one in ("ds003720", "ds001246"))
    found = {(one.how, one.candidates): one.value for one in music.published}
    assert found["MuLan, ridge regression", 60] == 0.876
    assert found["CLAP, InfoNCE", 50] == 0.159
    assert {one.value for one in images.published if one.measure == "best"} == {
        0.1399,
        0.129,
        0.1002,
    }
    assert all(one.source and one.comparable for one in [*music.published, *images.published])


def test_a_table_that_is_not_there_is_one_line(tmp_path):
    text = (REPOSITORY / "workflow/datasets/localizer.yaml").read_text()
    (tmp_path / "localizer.yaml").write_text(f"published: gone.tsv\n{text}")
    with pytest.raises(UserError, match=r"published: no such file .*gone\.tsv"):
        descriptor("localizer", [tmp_path], tmp_path)
