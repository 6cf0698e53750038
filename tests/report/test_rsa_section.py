"""Representational similarity on a dataset's page: layers by regions, and the noise ceiling."""

import numpy as np
import pandas as pd
import pytest

from helpers import report_tree
from tristream.config.rsa import Rsa
from tristream.report.elements import Figure, Missing, Table
from tristream.report.sections.rsa import section
from tristream.report.study_results import Results
from tristream.rsa.similarity_table import COLUMNS, KIND, write_similarity
from tristream.store import Omission, Provenance

DATASET = "haxby2001_slice"


@pytest.fixture
def results(tmp_path):
    resolved = report_tree.read_study(report_tree.write_study(tmp_path))
    space = next(iter(resolved.study.features))
    resolved.study.rsa["objects"] = Rsa(datasets=[DATASET], features=[space])
    return Results(resolved, tmp_path / "results/report")


def write(results, **numbers):
    rows = [
        {**dict.fromkeys(COLUMNS, 0.25), **numbers}
        | {"subject": "1", "space": "net", "layer": layer, "region": region, "items": 8}
        for layer in ("early", "late")
        for region in ("V1", "LOC")
    ]
    rows[0]["p_corrected"] = 0.001
    methods = ("Distances were compared [@kriegeskorte2008].",)
    omitted = (Omission("p of rsa objects, sub-1", "only 24 distinct rearrangements"),)
    path = results.path("rsa", dataset=DATASET, rsa="objects")
    write_similarity(path, pd.DataFrame(rows), Provenance(KIND, False, {}, "", omitted, methods))


def test_layers_and_regions_stand_above_the_noise_ceiling(results):
    write(results)
    blocks = section(results, DATASET).blocks
    (figure,) = [b for b in blocks if isinstance(b, Figure)]
    assert "agreement of the distances between 8 items" in figure.caption
    assert "noise ceiling" in figure.caption
    table = pd.read_csv(results.root / "report" / figure.tsv, sep="\t")
    assert len(table) == 4
    assert set(table.columns) == set(COLUMNS)
    (table,) = [b for b in blocks if isinstance(b, Table)]
    assert len(table.rows) == 4
    assert table.rows[0][0] == "net/early"
    assert "Kriegeskorte et al. 2008" in str(blocks[1])
    assert any(isinstance(b, Missing) and "24 distinct" in b.why for b in blocks)


def test_what_is_unknown_is_a_dash(results):
    write(results, similarity=np.nan, ceiling_low=np.nan, p=np.nan)
    blocks = section(results, DATASET).blocks
    assert not [b for b in blocks if isinstance(b, Figure)]
    (table,) = [b for b in blocks if isinstance(b, Table)]
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["similarity"] is row["p"] is row["ceiling, low"] is None


def test_an_analysis_that_was_not_made_is_named(results):
    assert "Representational similarity objects" in " ".join(
        map(str, section(results, DATASET).blocks)
    )
