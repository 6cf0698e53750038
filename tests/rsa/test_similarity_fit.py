"""The stage from files: planted layers and regions come back, with the API's numbers."""

import numpy as np
import pytest

from helpers.identification_study import REGIONS, Study
from tristream.config.rsa import ComparisonDesign, PatternDesign
from tristream.config.settings.rsa import DissimilaritySettings, RsaSettings
from tristream.errors import UserError
from tristream.rsa import item_patterns, similarity_fit
from tristream.rsa.dissimilarity import measure
from tristream.rsa.dissimilarity_file import read_dissimilarities
from tristream.rsa.representational_similarity import compare
from tristream.rsa.similarity_table import COLUMNS, read_similarity


def measured(study, **options):
    design = {
        "features": ["net"],
        "regions": list(REGIONS),
        "delay": "0 s",
        "imagined": ["ses-imagery*"],
        **options,
    }
    settings = DissimilaritySettings(dataset="d", rsa="images", block=PatternDesign(**design))
    bold, samples = study.written()
    output = study.folder / "distances.h5"
    nothing = [study.folder / "none.h5"] * 2
    item_patterns.fit(bold, samples, study.features(), nothing, output, settings)
    return output


def compared(paths, **options):
    design = ComparisonDesign(**{"permutations": 999, **options})
    settings = RsaSettings(dataset="d", rsa="images", block=design)
    output = paths[0].with_name("similarity.tsv")
    names = [f"{k + 1:02d}" for k in range(len(paths))]
    similarity_fit.fit(paths, names, output, settings)
    return read_similarity(output)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("study"), signal=1.0)


@pytest.fixture(scope="module")
def distances(study):
    return measured(study)


def test_each_layer_is_like_its_region(distances):
    rows, provenance = compared([distances])
    assert list(rows.columns) == list(COLUMNS)
    found = rows.pivot(index="layer", columns="region", values="similarity")
    assert found.loc["early"].idxmax() == "V1"
    assert found.loc["late"].idxmax() == "LOC"
    own = rows[rows["layer"].map({"early": "V1", "late": "LOC"}) == rows["region"]]
    assert (own["p_corrected"] <= 0.01).all()
    assert (rows["items"] == 10).all()
    assert (rows["ceiling_low"] <= rows["ceiling_high"]).all()
    text = " ".join(provenance.methods)
    for part in ("Spearman", "999 permutations", "3,628,800 distinct", "√(2r / (1 + r))"):
        assert part in text


def test_numbers_are_those_of_the_api(study, distances):
    x, item, run = [], [], []
    for name, values in study.bold.items():
        if not name.startswith("ses-test"):
            continue
        for _, part in study.table[study.table["run"] == name].groupby("unit", sort=False):
            x.append(values[part["row"]].astype(np.float32).mean(0))
            item.append(part["item"].iloc[0])
            run.append(name)
    x = np.array(x)
    place = [study.items.index(name) for name in item]
    regions = {name: x[:, 30 * k : 30 * k + 30] for k, name in enumerate(REGIONS)}
    layers = {f"net/{name}": values[place] for name, values in study.layers.items()}
    one = measure(regions, layers, item, run)
    read, provenance = read_dissimilarities(distances)
    assert read.items == one.items
    assert read.region == pytest.approx(one.region, abs=1e-5)
    assert read.halves == pytest.approx(one.halves, abs=1e-5)
    assert "[@kriegeskorte2008]" in provenance.methods[0]
    assert "4 showings" in provenance.methods[0]
    found = compare([one], permutations=999)
    rows, _ = compared([distances])
    assert rows["similarity"].to_numpy() == pytest.approx(found.value.ravel(), abs=1e-3)
    assert rows["p"].to_numpy() == pytest.approx(found.p.ravel(), abs=0.01)


def test_several_subjects_have_rows_of_their_own_and_a_mean(distances):
    rows, provenance = compared([distances, distances])
    assert rows["subject"].unique().tolist() == ["01", "02", "all"]
    means = rows[rows["subject"] == "all"]["similarity"].to_numpy()
    # The same subject twice.
    assert means == pytest.approx(rows[rows["subject"] == "01"]["similarity"].to_numpy())
    assert rows[rows["subject"] == "all"]["ceiling_low"].to_numpy() == pytest.approx(1)
    assert any("[@nili2014]" in text for text in provenance.methods)


def test_items_of_training_runs_have_no_halves_and_the_file_says_so(study):
    rows, provenance = compared([measured(study, items="trained")], permutations=99)
    assert (rows["items"] == 60).all()
    assert rows["ceiling_low"].isna().all()
    assert any("halves of the runs" in one.why for one in provenance.omitted)


def test_crossvalidated_distances_by_the_cosine(study):
    path = measured(study, distance="crossvalidated")
    rows, _ = compared([path], comparison="cosine", permutations=99)
    assert (rows["similarity"] > rows["chance"]).sum() >= 2
    assert "crossvalidated over runs" in read_dissimilarities(path)[1].methods[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regions": ["V9"]}, r"has no region 'V9' \(it has V1, LOC\)"),
        ({"imagined": ["ses-dream*"]}, "`imagined`: no run is 'ses-dream\\*'"),
        (
            {"items": "trained", "distance": "crossvalidated"},
            "rsa images: two items share fewer than two runs.*set `distance: correlation`",
        ),
    ],
)
def test_faults_are_one_readable_line(study, options, message):
    with pytest.raises(UserError, match=message) as caught:
        measured(study, **options)
    assert "\n" not in str(caught.value)


def test_items_that_no_run_has_are_one_readable_line(tmp_path):
    study = Study(tmp_path)
    study.table = study.table[study.table["split"] == "train"]
    study.bold = {run: x for run, x in study.bold.items() if "train" in run}
    with pytest.raises(UserError, match="no run has items that are tested; set `items`"):
        measured(study, imagined=[])
