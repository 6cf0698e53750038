"""The report's sections on tests beyond p values, from small files."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers import report_tree
from tristream.encode.jackknife import Interval
from tristream.encode.partition.partition_file import StoredPartition
from tristream.encode.partition.partition_file import write_partition as write_partition_file
from tristream.encode.partition.variance import Partition
from tristream.inference.comparison_file import ComparedModels, Difference, write_comparison
from tristream.inference.group_file import (
    CommonVoxels,
    GroupLevel,
    GroupRegions,
    GroupTest,
    Means,
    Prevalence,
    write_group,
)
from tristream.inference.inference_file import (
    Draws,
    Significance,
    SpatialTest,
    TestedModel,
    read_inference,
    write_inference,
)
from tristream.inference.table_files import CLUSTER_COLUMNS, REGION_COLUMNS
from tristream.inference.tested_partition_file import (
    TestedPartition,
    TestedSet,
    write_partition_test,
)
from tristream.report.elements import Facts, Figure, Missing, Table, Text
from tristream.report.findings import find
from tristream.report.sections import group, inference, streams
from tristream.report.study_results import Results
from tristream.store import Omission, Provenance, write_table

SUBJECT = ("bunny", "01")
# Second columns of the tables of the group level.
GROUPED = ("subjects", "measure", "region")


def said(kind, *omitted):
    return Provenance(kind, simulated=True, omitted=omitted, methods=("Tested.",))


@pytest.fixture
def results(tmp_path):
    resolved = report_tree.read_study(report_tree.write_study(tmp_path))
    report_tree.write_tree(resolved)
    found = Results(resolved, tmp_path / "results/report")
    folder = found.root / "inference/bunny"
    rng = np.random.default_rng(0)
    significance = Significance(
        observed=np.array([0.5, 0]),
        p=np.array([0.001, 0.5]),
        p_fwe=np.array([0.01, 1]),
        q=np.array([0.002, 0.5]),
        q_by=np.array([0.04, 1]),
        significant=np.array([True, False]),
        null_max=rng.random(20),
    )
    tested = TestedModel(
        *("correlation", "blocks", "time", 5040, 999, 0, 0.05, "bh", (1.12,), significance),
        draws=Draws(np.array([4000, 999]), np.array([True, False]), 0, 7999, 2),
        spatial={"tfce": SpatialTest(np.array([9.0, 0]), np.array([0.02, 1]), rng.random(20))},
    )
    write_inference(folder / "streams/sub-01.h5", tested, said("inference"))
    rows = [["Cuneus", 9, 0.2, 0.1, 0.3, 0.8, 0.6, 0.9, 0.04, 3, 0.5, -8.0, -80.0, 20.0]]
    table = pd.DataFrame(rows, columns=list(REGION_COLUMNS))
    write_table(folder / "streams/sub-01_regions.tsv", table, said("regions-table"))
    write_table(
        folder / "streams/sub-01_clusters.tsv",
        pd.DataFrame(columns=list(CLUSTER_COLUMNS)),
        said("clusters-table", Omission("clusters", "no voxel")),
    )
    one = np.array([0.1])
    difference = Difference(
        difference=np.array([0.3, -0.1]),
        p=np.array([0.001, 0.5]),
        p_fwe=np.array([0.002, 0.9]),
        q=np.array([0.002, 0.5]),
        null_max=rng.random(20),
        regions=["all voxels"],
        region_voxels=np.array([2]),
        region_difference=one,
        region_p=2 * one,
        region_p_fwe=2 * one,
        region_q=2 * one,
    )
    ijk = np.zeros((3, 3), np.int32)
    compared = ComparedModels(
        *("streams", "shifted", "difference", "signs", "time", 1024, 999, 0, 0.05),
        *(ijk[:2], None, 1.0, difference),
    )
    path = folder / "comparisons/streams/shifted/sub-01.h5"
    write_comparison(path, compared, said("comparison"))
    table = pd.DataFrame({"voxels": [3, 3], "p_any": [0.01, 0.02]})
    count = np.array([2, 1, 0])
    p = np.array([0.001, 0.02, 0.5])
    test = GroupTest(p, 2 * p, np.array([0.003, 0.06, 0.5]), 0.001, 999, 10**6)
    means = Means(np.zeros(3), np.ones(3), stimuli=test)
    voxels = CommonVoxels(ijk, np.eye(4), (1, 1, 1), None, means, count=count)
    share = Prevalence(1.0, 0.34, 1.0)
    whole = GroupTest(*np.full((3, 1), 0.01), 0.001, 999, 10**6)
    regions = GroupRegions(
        ["all voxels"],
        np.full((2, 1), 3),
        np.zeros((2, 1)),
        Means(np.array([0.25]), np.array([0.125]), stimuli=whole),
    )
    level = GroupLevel("z", ["01", "02"], table, 0.05, 0.95, 0, 2, share, voxels, regions)
    made = replace(said("group"), config={"fdr": 0.05})
    write_group(folder / "streams/group.h5", level, made)
    return found


def facts_of(section):
    """Of the first model that names them."""
    every = [row for b in section.blocks if isinstance(b, Facts) for row in b.rows]
    return dict(reversed(every))


def test_how_finely_p_is_resolved_and_what_extends_in_space(results):
    section = inference.section(results, *SUBJECT)
    rows = facts_of(section)
    assert rows["Permutations of the voxels that got most"] == "4000"
    assert rows["Voxels that stopped before"] == "1 of 2"
    assert rows["Permutations that one voxel needs to pass alone"] == "7999"
    assert rows["p from a fitted tail"] == "1 of 2 voxels"
    assert rows["Voxels significant by threshold-free cluster enhancement"] == (
        "1 at 0.05, family-wise"
    )
    said = [block.text for block in section.blocks if isinstance(block, Text)]
    assert any("A single voxel cannot reach q = 0.05" in text for text in said)


def test_tests_name_their_null_and_every_correction(results):
    section = inference.section(results, *SUBJECT)
    rows = facts_of(section)
    assert rows["Null widened by"].startswith("1.12")
    assert rows["Smallest attainable p"] == "0.00025"
    assert rows["Significant voxels"].startswith("1 of 2 (50.0%)")
    assert rows["Significant family-wise"] == "1 at 0.05"
    assert rows["Significant by Benjamini-Yekutieli"] == "1 at 0.05"


def test_regions_have_a_table_and_clusters_their_reason(results):
    section = inference.section(results, *SUBJECT)
    tables = [b for b in section.blocks if isinstance(b, Table)]
    cells = ("Cuneus", 9, 0.2, 0.1, 0.3, 0.8, 0.6, 0.9, 0.04, 3, 0.5, -8.0, -80.0, 20.0)
    assert tables[0].rows == (cells,)
    assert (results.folder / tables[0].tsv).is_file()
    whys = [b.why for b in section.blocks if isinstance(b, Missing) and b.what == "clusters"]
    assert whys == ["no voxel"]


def test_a_comparison_counts_both_directions(results):
    section = inference.section(results, *SUBJECT)
    rows = facts_of(section)
    assert rows["Voxels where streams is better"] == "1"
    assert rows["Voxels where shifted is better"] == "0"
    by_region = [b for b in section.blocks if isinstance(b, Table)][-1]
    assert by_region.rows == (("all voxels", 2, 0.1, 0.2, 0.2, 0.2),)
    assert (results.folder / by_region.tsv).is_file()


def test_the_number_of_tests_is_that_of_all_files(results):
    text = inference.section(results, *SUBJECT).blocks[0].text
    found = re.match(r"([\d,]+) p values .*: ([\d,]+) of 2 models and 3 of 1 comparison\.", text)
    total, models = (int(number.replace(",", "")) for number in found.groups())
    paths = [
        results.path("inference", dataset=SUBJECT[0], model=name, subject=SUBJECT[1])
        for name in results.models(SUBJECT[0])
    ]
    tested = [read_inference(path)[0].found for path in paths]
    assert models == sum(len(one.p) for one in tested if one is not None)
    assert total == models + 3


def test_tests_of_unique_variance_have_their_table(results):
    write_partition(results, low=-0.1)
    path = results.path("partition_test", dataset="bunny", model="streams", subject="01")
    draws = Draws(np.full(2, 99), np.zeros(2, bool), 0, 39, 1)
    one, region = np.array([0.01, 0.5]), np.array([0.02])
    found = TestedSet(one, 2 * one, one, np.ones(99), region, region, region, region, 1.0, draws)
    write_partition_test(
        path,
        TestedPartition(
            *("R2", "signs", "item", 4096, 99, 0, 0.05, "bh", ["all voxels"], np.array([2])),
            {"a": found, "a+b": found},
        ),
        said("partition-test"),
    )
    tables = [b for b in streams.section(results, *SUBJECT).blocks if isinstance(b, Table)]
    tested = next(b for b in tables if b.columns[0] == "bands")
    assert tested.rows == (("a", 1, 1, 0.02, 0.02), ("a+b", 1, 1, 0.02, 0.02))
    assert (results.folder / tested.tsv).is_file()
    text = inference.section(results, *SUBJECT).blocks[0].text
    assert "6 of 2 sets of bands" in text


def test_the_group_answers_two_questions_in_two_tables(results):
    section = group.section(results, "bunny", find(results))
    people, stimuli, regions = (
        b for b in section.blocks if isinstance(b, Table) and b.columns[1] in GROUPED
    )
    assert people.rows == (("model streams", 2, 2, 1.0, "0.34 to 1.00", 1, None, None, None),)
    assert "whether the features are its reason or not" in people.caption
    assert stimuli.rows == (("model streams", "z", 2, 0.25, 0.125, 999, 1, 2, 0.001),)
    assert "says nothing of other people" in stimuli.caption
    assert regions.rows == (
        ("model streams", "all voxels", 3, 0.25, 0.125, 0.01, 0.01, None, None),
    )
    for table in (people, stimuli, regions):
        assert (results.folder / table.tsv).is_file()


def write_partition(results, low):
    value = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]])
    means = Interval(value, value, value + low, value + 0.1)
    parts = Interval(*np.zeros((4, 7, 2)))
    found = Partition(np.zeros((8, 2)), parts, means, blocks=7)
    stored = StoredPartition(
        ["a", "b", "c"], ["nuisance"], ["all voxels"], found, np.zeros((2, 3), int)
    )
    path = results.path("partition", dataset="bunny", model="streams", subject="01")
    write_partition_file(path, stored, said("partition"))


def partition_figure(results):
    blocks = streams.section(results, *SUBJECT).blocks
    return next(b for b in blocks if isinstance(b, Figure) and b.title.startswith("Unique"))


def test_unique_variance_comes_before_shared_and_tells_its_intervals(results):
    write_partition(results, low=-0.1)
    figure = partition_figure(results)
    assert "beyond nuisance" in figure.caption
    assert "7 groups" in figure.caption
    table = pd.read_csv(results.folder / figure.tsv, sep="\t")
    assert table["bands"].tolist() == [
        *("a alone", "b alone", "c alone"),
        *("a+b", "a+c", "b+c", "a+b+c"),
    ]
    assert table["mean, all voxels"].tolist() == [0.1, 0.2, 0.4, 0.3, 0.5, 0.6, 0.7]
    write_partition(results, low=np.nan)
    assert "intervals" not in partition_figure(results).caption


def test_what_the_study_does_not_ask_for_is_named(results):
    results.resolved.study.inference.partition.clear()
    blocks = streams.section(results, *SUBJECT).blocks
    gone = [b for b in blocks if isinstance(b, Missing)]
    assert any("inference.partition does not name the model" in b.why for b in gone)
