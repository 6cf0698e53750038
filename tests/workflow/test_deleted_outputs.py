"""A file of the results that somebody deleted is made again: a dry run for each kind of file."""

import os
import re
import time
from pathlib import Path

import pytest

from helpers.small_study import REPO, snakemake
from helpers.wide_study import reruns
from tristream.results import PLACES, Layout
from tristream.results.written import lost

LAYOUT = Layout("results")
ASIDE = ("logs", "benchmarks", ".settings")
# Snakemake's own, in a folder that is an output.
STAMP = ".snakemake_timestamp"
# Of a rule that is made for each space; what the report lists in a folder that it declares.
UNDECLARED = {"features", "report_files"}


def files_of(folder: Path, below: str) -> list[Path]:
    """Results of a finished study, relative to its folder."""
    found = (path.relative_to(folder) for path in sorted((folder / below).rglob("*")))
    files = [p for p in found if (folder / p).is_file() and p.name != STAMP]
    return [p for p in files if p.parts[1] not in ASIDE]


@pytest.mark.xdist_group("wide")
def test_one_file_of_every_place_and_the_sidecar_of_every_table(wide_study):
    """In the study of every layout, whose files are empty."""
    folder, code = wide_study
    chosen: dict[str, Path] = {}
    for path in files_of(folder, "results"):
        tables = [path.with_suffix(".tsv")] if path.suffix == ".json" else []
        for name in PLACES:
            if any(LAYOUT.wildcards(name, one) is not None for one in (path, *tables)):
                chosen.setdefault(f"{name}{path.suffix}", path)
    jobs = reruns(folder, code, [{folder / path: None} for path in chosen.values()])
    found = dict(zip(chosen, jobs, strict=True))
    assert [name for name, one in found.items() if not one] == []


def test_a_rule_declares_every_place_and_the_sidecar_of_every_table():
    """Those, too, that the study of every layout has not."""
    text = "\n".join(path.read_text() for path in sorted((REPO / "workflow/rules").glob("*.smk")))
    outputs = "\n".join(re.findall(r"^    output:\n((?: {8}.*\n)+)", text, re.MULTILINE))
    declared = set(re.findall(r'(?:at|LAYOUT\.pattern)\("(\w+)"\)', outputs))
    assert set(PLACES) - declared == UNDECLARED
    sidecars = set(re.findall(r'LAYOUT\.sidecar\("(\w+)"\)', outputs))
    assert {name for name, one in PLACES.items() if one.pattern.endswith(".tsv")} == sidecars


@pytest.mark.xdist_group("study")
def test_maps_figures_tables_and_pages(study: Path):
    """One of each ending in each folder of maps and report, which rules can't declare."""
    files = [*files_of(study, "results/maps"), *files_of(study, "results/report")]
    chosen = {(path.parent, "".join(path.suffixes)): path for path in files}
    endings = {path.suffix for path in chosen.values()}
    assert endings >= {".gz", ".json", ".png", ".svg", ".tsv", ".html", ".bib", ".yaml", ".md"}
    found = reruns(study, REPO, [{study / path: None} for path in chosen.values()])
    for path, jobs in zip(chosen.values(), found, strict=True):
        expected = {"report"} if path.parts[1] == "report" else {"maps", "report"}
        assert set(jobs) == expected, path
    # Another file than the one asked for is nobody's concern.
    figure = next(path for path in files if path.suffix == ".svg" and path.parts[1] == "maps")
    (study / figure).unlink()
    other = LAYOUT.path("truth", dataset="tiny").as_posix()
    assert "Nothing to be done" in snakemake(study, "--dry-run", other)
    target = LAYOUT.path("maps", dataset="tiny", model="streams", subject="01")
    snakemake(study, target.as_posix())
    assert (study / figure).is_file()
    assert lost(study / target) == []
    assert "Nothing to be done" in snakemake(study, "--dry-run", target.as_posix())


def test_what_is_cut_short_is_lost_and_what_lists_nothing_has_lost_nothing(tmp_path):
    listing = tmp_path / "maps.json"
    for text in ("", "[]", "{}"):
        listing.write_text(text)
        assert lost(listing) == []
    assert lost(tmp_path / "gone.json") == ["gone.json"]
    (tmp_path / "a").write_text("12345")
    listing.write_text('{"files": {"a": 5, "b/c": 1}}')
    assert lost(listing) == ["b/c"]
    (tmp_path / "a").write_text("1234")
    assert lost(listing) == ["a", "b/c"]


@pytest.mark.xdist_group("study")
def test_results_behind_a_link_and_times_of_a_coarse_or_wrong_clock(study: Path, tmp_path: Path):
    """A finished study stays finished: on another disk, and with times that say little."""
    elsewhere = tmp_path / "other disk" / "results"
    elsewhere.parent.mkdir()
    (study / "results").rename(elsewhere)
    (study / "results").symlink_to(elsewhere)
    assert "Nothing to be done" in snakemake(study, "--dry-run")
    for path in elsewhere.rglob("*"):
        # As file systems keep them whose clock ticks every two seconds.
        ticks = int(path.stat().st_mtime) // 2 * 2
        os.utime(path, (ticks, ticks))
    assert "Nothing to be done" in snakemake(study, "--dry-run")
    # A machine whose clock was an hour ahead wrote this one.
    for name in ("bold/tiny/sub-01/index.json", "encode/tiny/streams/sub-01.h5"):
        later = time.time() + 3600
        os.utime(elsewhere / name, (later, later))
        assert "Nothing to be done" in snakemake(study, "--dry-run"), name
