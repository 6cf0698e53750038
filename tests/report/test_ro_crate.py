"""The study as an RO-Crate, held against the requirements of the specification, version 1.1."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from helpers import report_tree
from tristream.errors import UserError
from tristream.report.ro_crate import NAME, write_crate

LICENCE = "https://creativecommons.org/licenses/by/4.0/"


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    study = report_tree.read_study(report_tree.write_study(tmp_path_factory.mktemp("crate")))
    report_tree.write_tree(study)
    return study


@pytest.fixture(scope="module")
def root(resolved):
    return Path(resolved.study.results)


def broken(crate: dict, root: Path) -> list[str]:
    """What an RO-Crate 1.1 must have and this one has not."""
    found = []
    graph = {one["@id"]: one for one in crate["@graph"]}
    if len(graph) < len(crate["@graph"]):
        found.append("two entities of one @id")
    if "https://w3id.org/ro/crate/1.1/context" not in crate["@context"]:
        found.append("the context")
    found += [f"{name}: no @type" for name, one in graph.items() if not one.get("@type")]
    descriptor = graph.get(NAME, {})
    if descriptor.get("conformsTo") != {"@id": "https://w3id.org/ro/crate/1.1"}:
        found.append("conformsTo of the descriptor")
    whole = graph.get(descriptor.get("about", {}).get("@id"), {})
    if whole.get("@id") != "./" or whole.get("@type") != "Dataset":
        found.append("the root data entity")
    for key in ("name", "description", "datePublished", "license"):
        if not whole.get(key):
            found.append(f"{key} of the root")
    parts = [one["@id"] for one in whole.get("hasPart", [])]
    files = [name for name, one in graph.items() if one["@type"] == "File"]
    if sorted(parts) != sorted(files):
        found.append("hasPart names not all files, or others")
    for name in files:
        path = root / name
        if not path.is_file() or ".." in name:
            found.append(f"{name}: no such file")
        elif graph[name]["sha256"] != sha256(path.read_bytes()).hexdigest():
            found.append(f"{name}: another hash")
        elif graph[name]["contentSize"] != str(path.stat().st_size):
            found.append(f"{name}: another size")

    def references(value):
        if isinstance(value, dict):
            if set(value) == {"@id"}:
                yield value["@id"]
            else:
                for one in value.values():
                    yield from references(one)
        elif isinstance(value, list):
            for one in value:
                yield from references(one)

    known = {*graph, "https://w3id.org/ro/crate/1.1"}
    return found + [
        f"{name}: not described" for name in references(crate["@graph"]) if name not in known
    ]


def test_it_has_what_the_specification_requires(resolved, root):
    number = write_crate(resolved, root / NAME, LICENCE)
    crate = json.loads((root / NAME).read_text())
    assert broken(crate, root) == []
    graph = {one["@id"]: one for one in crate["@graph"]}
    assert sum(one["@type"] == "File" for one in graph.values()) == number
    assert "encode/bunny/streams/sub-01.h5" in graph
    assert "stimuli/bunny/inventory.json" in graph
    assert graph["./"]["license"] == {"@id": LICENCE}
    assert "BOLD of bunny is simulated" in graph["./"]["description"]


def test_sources_have_the_commit_and_the_licence_of_their_receipt(resolved, root):
    write_crate(resolved, root / NAME)
    crate = json.loads((root / NAME).read_text())
    graph = {one["@id"]: one for one in crate["@graph"]}
    sources = {graph[one["@id"]]["name"]: graph[one["@id"]] for one in graph["./"]["isBasedOn"]}
    assert sources["bunny"]["version"] == "4f1c2d3e" * 5
    assert graph[sources["bunny"]["license"]["@id"]]["name"] == "CC0"
    assert sources["haxby2001_slice"]["sha256"] == "f98b" * 16
    assert "No licence was chosen" in graph["./"]["license"]


def test_a_changed_file_or_a_lost_entity_is_found(resolved, root):
    """The negative control of the check above."""
    write_crate(resolved, root / NAME)
    crate = json.loads((root / NAME).read_text())
    path = root / "encode/bunny/streams/sub-01.h5"
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    try:
        assert broken(crate, root) == ["encode/bunny/streams/sub-01.h5: another hash"]
    finally:
        path.write_bytes(content)
    crate["@graph"] = [one for one in crate["@graph"] if one["@id"] != "#tristream"]
    assert broken(crate, root) == ["#tristream: not described"]


def test_it_lies_in_its_folder_under_its_name_and_needs_results(resolved, root, tmp_path):
    for wrong in (tmp_path / NAME, root / "crate.json"):
        with pytest.raises(UserError, match=r"an RO-Crate is ro-crate-metadata\.json"):
            write_crate(resolved, wrong)
    study = report_tree.read_study(report_tree.write_study(tmp_path))
    with pytest.raises(UserError, match="holds no file"):
        write_crate(study, tmp_path / "results" / NAME)
