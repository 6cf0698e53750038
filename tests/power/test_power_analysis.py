"""Sentences about a power analysis, fact by fact against its files; planted lies fail."""

import re

import pytest

from helpers.inference_settings import planning
from helpers.power_designs import TR, block, write_events
from tristream.power.power_analysis import run_power
from tristream.power.power_file import read_power


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    return write_events(tmp_path_factory.mktemp("design"))


def facts(text: str) -> dict:
    """What the sentences claim."""
    driven = re.search(r"(\d+) of (\d+) voxels followed the (labels|aligned)", text)
    groups = re.search(r"Groups of ([\d, and]+) subjects", text)
    return {
        "subjects": int(re.search(r"BOLD of (\d+) subjects", text)[1]),
        "driven": int(driven[1]),
        "voxels": int(driven[2]),
        "of": driven[3],
        "lag one": float(re.search(r"\(([\d.]+) at a lag", text)[1]),
        "delays": [int(d) for d in re.search(r"delayed by ([\d, ]+) TR", text)[1].split(", ")],
        "permutations": int(re.search(r"by ([\d,]+) permutations of", text)[1].replace(",", "")),
        "unit": re.search(r"permutations of (whole blocks|whole pres|blocks of)", text)[1],
        "widened": "its null widened" in text,
        "fdr": float(re.search(r"false discovery rate of ([\d.]+)", text)[1]),
        "decoder": "ridge classifier" in text,
        "chance permuted": "label permutations, refitted" in text,
        "groups": [int(g) for g in re.findall(r"\d+", groups[1])] if groups else [],
    }


UNITS = {"block": "whole blocks", "item": "whole pres", "time": "blocks of"}
CASES = {
    "blocks": ({"subjects": [8, 9], "permutations": 100}, {"permutations": 60, "fdr": 0.1}),
    "film": ({"exchange": {"unit": "time"}, "autocorrelation": 0.8}, {"permutations": 60}),
}


def analysed(events, tmp_path, case):
    changes, tests = CASES[case]
    settings = planning(block(events, **changes), **tests)
    run_power(settings, tmp_path / "x.h5")
    return settings, *read_power(tmp_path / "x.tsv")


@pytest.mark.parametrize("case", CASES)
def test_every_fact_is_that_of_the_files(events, tmp_path, case):
    settings, table, planned, provenance = analysed(events, tmp_path, case)
    given = settings.block
    chance = table["decoder_power"].notna().any()
    assert facts(" ".join(provenance.methods)) == {
        "subjects": given.realisations,
        "driven": given.driven_voxels,
        "voxels": given.voxels,
        "of": "labels",
        "lag one": given.autocorrelation,
        "delays": list(planned.delays),
        "permutations": settings.permutations,
        "unit": UNITS[planned.unit],
        "widened": planned.unit == "time",
        "fdr": settings.fdr,
        "decoder": bool(table["accuracy"].notna().any()),
        "chance permuted": bool(chance),
        "groups": sorted(set(table["subjects"]) - {1}),
    }
    assert planned.delays == given.delays_at(TR)
    assert provenance.config == settings.key()


@pytest.mark.parametrize(
    ("true", "lie"),
    [
        ("of 4 subjects", "of 40 subjects"),
        ("20 of 40 voxels", "30 of 40 voxels"),
        ("by 60 permutations", "by 1,000 permutations"),
        ("whole blocks of one label", "blocks of 20 s"),
        ("predicted from again", "predicted from again (its null widened)"),
        ("label permutations, refitted", "the labels"),
        ("Groups of 8 and 9", "Groups of 8 and 16"),
    ],
)
def test_a_planted_lie_is_seen(events, tmp_path, true, lie):
    *_, provenance = analysed(events, tmp_path, "blocks")
    text = " ".join(provenance.methods)
    assert true in text
    assert facts(text.replace(true, lie)) != facts(text)
