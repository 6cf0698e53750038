"""Where files lie: every place has a path of its own, found again from it, and a log beside it."""

import re

import pytest

from helpers import REPOSITORY
from tristream.results import KINDS, PLACES, Layout, markdown

LAYOUT = Layout("some/results")
FILES = [name for name, place in PLACES.items() if place.kind]


def wildcards(place: str) -> dict[str, str]:
    """A value for each wildcard: its own name."""
    return {name: name for name in re.findall(r"\{(\w+)\}", PLACES[place].pattern)}


@pytest.mark.parametrize("place", FILES)
def test_a_path_and_its_wildcards_lead_to_each_other(place):
    values = wildcards(place)
    path = LAYOUT.path(place, **values)
    assert path.is_relative_to("some/results")
    assert LAYOUT.wildcards(place, path) == values
    assert LAYOUT.wildcards(place, path.with_suffix(".other")) is None


def test_each_job_has_a_log_and_a_benchmark_of_its_own():
    shared = {"power_table"}  # of the job that writes `power`
    logs = [LAYOUT.log(place) for place in FILES if place not in shared]
    assert len(set(logs)) == len(logs)
    assert LAYOUT.log("bold") == "some/results/logs/bold/{dataset}/sub-{subject}/{run}.log"
    assert LAYOUT.benchmark("power") == "some/results/benchmarks/power/{power}.tsv"


def test_the_page_of_paths_is_written_from_the_list():
    written = (REPOSITORY / "docs/paths.md").read_text(encoding="utf-8")
    assert written == markdown(), "run: tristream config reference"


def test_the_page_of_files_has_every_kind():
    text = (REPOSITORY / "docs/files.md").read_text(encoding="utf-8")
    kinds = {place.kind for place in PLACES.values() if place.kind} & set(KINDS)
    assert {kind for kind in kinds if f"`{kind}`" not in text and f"## {kind}" not in text} == set()


def test_a_wildcard_without_a_value_is_an_error():
    with pytest.raises(KeyError, match="subject"):
        LAYOUT.path("samples", dataset="haxby")


def test_a_table_has_its_metadata_beside_it():
    assert LAYOUT.sidecar("inventory") == "some/results/stimuli/{dataset}/inventory.json"
