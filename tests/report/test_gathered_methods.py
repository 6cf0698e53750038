"""The methods text of a study, compared with what its files say and hold."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from helpers import report_tree
from tristream.bold.run_file import read_run
from tristream.decode.decoding_file import read_decoding, write_decoding
from tristream.errors import UserError
from tristream.inference.group_file import GroupLevel, write_group
from tristream.report.methods import PLACES, SECTIONS, gather
from tristream.report.references import keys_of, resolve
from tristream.report.study_results import Results
from tristream.results import KINDS
from tristream.results import PLACES as FILES
from tristream.store import Provenance, provenance_at


@pytest.fixture
def results(tmp_path):
    resolved = report_tree.read_study(report_tree.write_study(tmp_path))
    report_tree.write_tree(resolved)
    return Results(resolved, tmp_path / "results/report")


def rewrite(path: Path, *sentences: str) -> None:
    """Give a file other sentences."""
    import json

    with h5py.File(path, "r+") as file:
        file.attrs["methods"] = json.dumps(sentences)


def text_of(results: Results) -> dict[str, str]:
    return dict(gather(Results(results.resolved, results.folder)).paragraphs)


def unfounded(results: Results) -> list[str]:
    """Sentences of files that the text lacks, and files whose sentences are not true of them."""
    text = " ".join(text_of(results).values())
    found = []
    for one in results.inputs:
        path = one.path(results.layout)
        if one.place not in PLACES or not path.is_file():
            continue
        for sentence in provenance_at(path, one.kind).methods:
            if resolve(sentence).rstrip(".") not in text:
                found.append(sentence)
        if one.place == "bold":
            found += lies_of_bold(path)
    return found


def lies_of_bold(path: Path) -> list[str]:
    """Names of confounds that a run's sentences have and its file has not, or the reverse."""
    run = read_run(path, signal=False)
    sentences = " ".join(provenance_at(path, "bold").methods)
    known = ("trans_x", "rot_x", "csf", "white_matter", "framewise_displacement")
    named = {name for name in known if name in sentences}
    return [f"{path.name}: {name}" for name in named ^ (set(run.confound_names) & set(known))]


def test_every_kind_that_computes_is_gathered():
    computed = {kind.name for kind in KINDS.values() if kind.computed}
    gathered = {FILES[place].kind for places in SECTIONS.values() for place in places}
    # Neither the truth of synthetic datasets nor a network trained beforehand is a file of a study.
    # Of a network the features that it gives tell, of a model of trials the runs' responses.
    assert computed - gathered <= {"synthetic-truth", "genre-network", "trial-model"}
    assert {place for places in SECTIONS.values() for place in places} | {"power"} == set(PLACES)


def test_the_text_has_every_sentence_and_only_those(results):
    assert unfounded(results) == []
    everything = " ".join(text_of(results).values())
    for word in ("permuted", "fMRIPrep", "z-scored", "leave-one-run-out", "ceiling"):
        stored = any(
            word in sentence
            for one in results.inputs
            if one.place in PLACES and one.path(results.layout).is_file()
            for sentence in provenance_at(one.path(results.layout), one.kind).methods
        )
        assert (word in everything) == stored, word


def test_a_planted_lie_is_found(results):
    path = results.path("bold", dataset="bunny", subject="01", run=bunny_runs(results)[0])
    rewrite(path, "Confounds (trans_x) were projected out.")
    assert unfounded(results) == [f"{path.name}: trans_x"]


def bunny_runs(results):
    return results.resolved.datasets["bunny"].runs_of("01")


def test_what_holds_for_some_runs_names_them(results):
    runs = bunny_runs(results)
    for subject in ("01", "02"):
        for run in runs:
            path = results.path("bold", dataset="bunny", subject=subject, run=run)
            more = ["No filter was applied."] if (subject, run) == ("02", runs[1]) else []
            rewrite(path, "Runs were cleaned [@nilearn].", *more)
    data = text_of(results)["Data: bunny"]
    assert "Runs were cleaned (Nilearn contributors 2025)." in data
    assert f"No filter was applied (1 of {len(runs)} runs of sub-02: {runs[1]})." in data


def test_size_and_repetition_time_are_those_of_the_files(results):
    data = text_of(results)["Data: bunny"]
    runs = bunny_runs(results)
    assert f"2 subjects, {2 * len(runs)} runs, TR " in data
    tr = read_run(results.path("bold", dataset="bunny", subject="01", run=runs[0]), signal=False).tr
    assert f"TR {tr:g} s" in data
    assert "(Haxby et al. 2001)" in text_of(results)["Data: haxby2001_slice"]


def test_the_group_test_is_mentioned_only_where_it_was_done(results):
    assert "group" not in text_of(results)["Inference: bunny"]
    path = results.path("group", dataset="bunny", model="streams")
    table = pd.DataFrame({"voxels": [3]})
    provenance = Provenance("group", True, methods=("The group test flipped signs.",))
    write_group(path, GroupLevel("r", ["01"], table, 0.05, 0.95, 0), provenance)
    assert "The group test flipped signs." in text_of(results)["Inference: bunny"]


def test_decoders_say_their_own_scheme(results):
    for name, scheme in (("ridge_volumes", "held-out runs"), ("svm_blocks", "each run in turn")):
        path = results.path("decoding", dataset="haxby2001_slice", decoder=name, subject="1")
        stored, _ = read_decoding(path)
        provenance = Provenance("decoding", False, methods=(f"Tested on {scheme}.",))
        write_decoding(path, replace(stored, null=np.empty(0), p=None), provenance)
    assert text_of(results)["Decoding: haxby2001_slice"] == (
        "Decoder ridge_volumes: Tested on held-out runs. "
        "Decoder svm_blocks: Tested on each run in turn. "
        "Decoder classifiers: Labels were decoded by classifiers. "
        "Decoder ridge_blocks: Labels were decoded by ridge_blocks. "
        # Of a searchlight and over time.
        "Decoder ridge_blocks was fitted again. Decoder ridge_blocks was fitted again. "
        "Comparison face_house was made."
    )


def test_an_unknown_paper_names_the_file_that_cites_it(results):
    path = results.path("encoding", dataset="bunny", model="streams", subject="01")
    rewrite(path, "Fitted [@nobody1900].")
    with pytest.raises(UserError, match=r"sub-01\.h5: its methods cite 'nobody1900'"):
        text_of(results)


def test_only_cited_papers_are_listed(results):
    methods = gather(results)
    everything = " ".join(text for _, text in methods.paragraphs)
    assert "haxby2001" in methods.cited
    assert "bai2018" not in methods.cited
    for key in methods.cited:
        assert resolve(f"[@{key}]").strip("()") in everything
        assert f"{{{key}," in methods.bibtex
    assert keys_of(everything) == []


def test_nothing_is_told_of_files_that_are_not_there(tmp_path):
    resolved = report_tree.read_study(report_tree.write_study(tmp_path))
    headings = dict(gather(Results(resolved, tmp_path / "report")).paragraphs)
    assert set(headings) == {"Data: bunny", "Data: haxby2001_slice", "Software"}
