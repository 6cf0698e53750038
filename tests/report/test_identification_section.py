"""Identification in a report: the gate comes first, and the audit stands beside each figure."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers import report_tree
from helpers.identification_study import Study
from tristream.config.identification import Identification
from tristream.decode.identification_file import write_identification
from tristream.report import headline, item_findings
from tristream.report.declared import declared
from tristream.report.elements import Caution, Figure, Heading, Table
from tristream.report.findings import Findings
from tristream.report.item_findings import identified
from tristream.report.methods import gather
from tristream.report.report_figures import cell_text
from tristream.report.sections.identification import section, study
from tristream.report.sections.item_cells import WITHOUT_P
from tristream.report.study_results import Results
from tristream.store import Omission

DATASET = "haxby2001_slice"


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("study")).fit()


@pytest.fixture
def results(tmp_path, tables):
    resolved = report_tree.read_study(report_tree.write_study(tmp_path))
    space = next(iter(resolved.study.features))
    block = Identification(datasets=[DATASET], features=[space])
    resolved.study.identification["objects"] = block
    results = Results(resolved, tmp_path / "results/report")
    write(results, *tables)
    return results


def write(results, rows, growing, provenance):
    where = {"dataset": DATASET, "identification": "objects", "subject": "1"}
    paths = [results.path(place, **where) for place in ("identification", "identification_sets")]
    write_identification(*paths, rows, growing, provenance)


def test_the_gate_comes_before_imagined_figures(results):
    blocks = section(results, DATASET, "1").blocks
    where = [isinstance(b, Heading) and b.text.startswith("Imagined") for b in blocks].index(True)
    gate, caution = blocks[where + 1 : where + 3]
    assert isinstance(gate, Table)
    assert "reliability" in gate.columns
    assert isinstance(caution, Caution)
    assert "no evidence of imagery" in caution.text
    assert sum(isinstance(b, Figure) for b in blocks) == 4


def test_figures_stand_beside_what_ignores_the_brain(results):
    blocks = section(results, DATASET, "1").blocks
    (seen,) = [b for b in blocks if isinstance(b, Table) and "10 items (40 showings)" in b.caption]
    assert {"mean item", "drawn items", "category alone", "dimensions predicted"} <= {*seen.columns}
    assert len(seen.rows) == 4
    row = dict(zip(seen.columns, seen.rows[0], strict=True))
    assert row["layer"] == "net/early"
    assert row["category alone"] is None


def test_shared_categories_and_collapse_are_cautions(results, tables):
    rows, growing, provenance = tables
    worse = rows.assign(
        shared_categories=0.5, category_pairwise=0.93, dimensions_predicted=1.1, mean_pairwise=1.0
    )
    write(results, worse, growing, provenance)
    text = " ".join(b.text for b in section(results, DATASET, "1").blocks if isinstance(b, Caution))
    assert "50% of the items are of categories that were trained" in text
    assert "up to 0.930" in text
    assert "half of the effective dimensions" in text
    assert "not shown the brain scores as much" in text


def test_reliable_imagery_is_no_caution(results, tables):
    rows, growing, provenance = tables
    good = rows.assign(reliable=rows["reliable"].where(rows["reliable"].isna(), "yes"))
    write(results, good, growing, provenance)
    blocks = section(results, DATASET, "1").blocks
    assert not any("imagery" in b.text for b in blocks if isinstance(b, Caution))


def test_regions_that_failed_are_marked_where_another_passed(results, tables):
    rows, growing, provenance = tables
    imagined = rows["set"] == "imagined"
    gates = rows["region"].map({"V1": "yes", "LOC": "no"}).where(imagined)
    why = Omission("reliability of imagined patterns in LOC", "no item occurs in two runs")
    mixed = rows.assign(reliable=gates), growing, replace(provenance, omitted=(why,))
    write(results, *mixed)
    blocks = section(results, DATASET, "1").blocks
    where = [isinstance(b, Heading) and b.text.startswith("Imagined") for b in blocks].index(True)
    seen, own = blocks[:where], blocks[where:]
    (caution,) = [b.text for b in own if isinstance(b, Caution) and "imagery" in b.text]
    assert "over runs in LOC (no item occurs in two runs): " in caution
    table = [b for b in own if isinstance(b, Table)][-1]
    assert {row[1] for row in table.rows} == {"V1", "LOC †"}
    captions = [b.caption for b in own if isinstance(b, Figure)] + [table.caption]
    assert len(captions) == 3
    assert all("† imagined patterns from there are not shown" in one for one in captions)
    # Negative control: seen items have no gate.
    assert not any("†" in str(b) for b in seen)


def test_the_first_page_takes_the_best_of_regions_that_passed(results, tables):
    rows, growing, provenance = tables
    imagined = rows["set"] == "imagined"
    share = rows["region"].map({"V1": 0.55, "LOC": 0.9}).where(imagined, rows["pairwise"])
    for passed, best in ((("V1",), "V1"), (("V1", "LOC"), "LOC"), ((), "LOC †")):
        gates = rows["region"].isin(passed).map({True: "yes", False: "no"}).where(imagined)
        given = rows.assign(reliable=gates, pairwise=share, pairwise_p_corrected=0.01)
        write(results, given, growing, provenance)
        found = [one for one in identified(results) if one.kind == "imagined"]
        drawn, table = study(results, Findings((), (), (), identified=found))[-2:]
        assert [row[2] for row in table.rows] == [best]
        closed = len(passed) < 2
        assert ("left out" in table.caption) == ("no p counts" in drawn.caption) == closed


def test_what_an_encoder_identifies_is_told_in_its_own_words(results, tables):
    rows, growing, provenance = tables
    keys = {"space": "model", "layer": "streams", "decoder": "encoder"}
    seen = [one[one["set"] == "seen"].iloc[:1].assign(**keys) for one in (rows, growing)]
    write(results, *seen, provenance)
    blocks = section(results, DATASET, "1").blocks
    captions = " ".join(b.caption for b in blocks if isinstance(b, Figure | Table))
    assert "less like the measured response than the right one" in captions
    assert "Mean item: pairwise, of the mean response to all items as that to each" in captions
    assert "predicted features" not in captions


def test_runs_left_out_in_turn_show_chance_and_no_interval(results, tables):
    rows, growing, provenance = tables
    gone = rows.filter(regex="_(low|high|p|p_corrected)$").columns.drop(["drawn_low", "drawn_high"])
    write(results, rows.assign(**dict.fromkeys(gone, np.nan)), growing, provenance)
    captions = [b.caption for b in section(results, DATASET, "1").blocks if isinstance(b, Figure)]
    assert any("Under permuted identity the mean is" in caption for caption in captions)
    assert "95 %" not in " ".join(captions)
    (seen, _) = found = item_findings.identified(results)
    text = " ".join(b.caption for b in study(results, Findings([], [], [], identified=found))[:1])
    assert WITHOUT_P in text
    assert "no p value" in headline._identified([seen])[0]
    assert headline._identified([seen, replace(seen, subject="2")])[0].endswith("no p values)")


def test_networks_stand_beside_ridge_regression(results, tables):
    rows, growing, provenance = tables
    both = [
        pd.concat([one, one.assign(decoder="contrastive")], ignore_index=True)
        for one in (rows, growing)
    ]
    write(results, *both, provenance)
    blocks = section(results, DATASET, "1").blocks
    (seen,) = [b for b in blocks if isinstance(b, Table) and "10 items (40 showings)" in b.caption]
    named = [row[0] for row in seen.rows]
    assert named[:1] == ["net/early, ridge"]
    assert "net/early, contrastive" in named
    assert {"in the top five", "item to response"} <= {*seen.columns}


def test_decoders_of_all_regions_have_rows_and_no_cell_of_one_region(results, tmp_path):
    fitted = Study(tmp_path).fit(banded=True)
    write(results, *fitted)
    blocks = section(results, DATASET, "1").blocks
    (seen,) = [b for b in blocks if isinstance(b, Table) and "10 items (40 showings)" in b.caption]
    named = [(row[0], row[1]) for row in seen.rows]
    assert ("net/early, ridge", "V1") in named
    for name in ("ridge", "banded ridge", "better of both"):
        assert (f"net/early, {name}", "V1+LOC") in named
    assert ("net/early, banded ridge", "V1") not in named
    captions = [b.caption for b in blocks if isinstance(b, Figure | Table)]
    assert sum("Banded ridge has the regions as bands" in one for one in captions) == 4
    (gates,) = [b for b in blocks if isinstance(b, Table) and "reliability" in b.columns]
    assert [row[0] for row in gates.rows] == ["V1", "LOC", "V1+LOC"]
    (found,) = [one for one in item_findings.identified(results) if one.kind == "seen"]
    drawn, table = study(results, Findings([], [], [], identified=[found]))
    assert isinstance(drawn, Figure)
    assert table.rows[0][1].startswith("net/")


def test_cells_without_a_value_are_empty():
    assert cell_text(np.array([[0.5, np.nan]])).tolist() == [["0.50", ""]]


def test_files_are_declared_and_methods_gathered(results):
    places = [one.place for one in declared(results.resolved, results.spaces)]
    assert places.count("identification") == places.count("identification_sets") == 1
    text = dict(gather(results).paragraphs)[f"Decoding: {DATASET}"]
    assert "Identification objects: units of net were decoded from V1, LOC" in text
    assert "(Shirakawa et al. 2025)" in text


def test_a_missing_table_is_named(results):
    where = {"dataset": DATASET, "identification": "objects", "subject": "1"}
    results.path("identification", **where).unlink()
    assert "has not run" in str(section(results, DATASET, "1").blocks)
