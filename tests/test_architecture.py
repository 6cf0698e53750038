"""Rules of the code base that no linter knows: homes of files, names, sizes, and words."""

import ast
import importlib.util
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from helpers import REPOSITORY
from tristream.results import KINDS, PLACES

PACKAGE = REPOSITORY / "src/tristream"
RULES = REPOSITORY / "workflow/rules"
MODULES = sorted(PACKAGE.rglob("*.py"))

# ------------------------------------------------------------------ one home a file

STORE = {
    "open_h5",
    "read_mapped",
    "create_h5",
    "read_table",
    "write_table",
    "read_json",
    "write_json",
    "provenance_of",
}


def name_of(path: Path) -> str:
    """``…/src/tristream/bold/run_file.py`` -> ``tristream.bold.run_file``; a package its own."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
        ".__init__"
    )


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def names_used(path: Path) -> set[str]:
    """Names and attributes in a module, wherever; not words of comments or docstrings."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
    return found


def test_files_are_opened_by_their_home_modules_alone():
    homes = {kind.home for kind in KINDS.values()} | {"tristream.store"}
    found = {name_of(path): names_used(path) & STORE for path in MODULES}
    found = {name: names for name, names in found.items() if names and name not in homes}
    assert found == {}


def test_every_home_is_a_module_that_opens_files():
    for kind in KINDS.values():
        path = PACKAGE.parent / Path(*kind.home.split(".")).with_suffix(".py")
        assert path.is_file(), f"{kind.home}, the home of {kind.name}"
        assert names_used(path) & STORE, f"{kind.home}, the home of {kind.name}"


def test_every_place_below_results_has_a_known_kind():
    assert {place.kind for place in PLACES.values()} <= {"", *KINDS}
    assert len({place.pattern for place in PLACES.values()}) == len(PLACES)


# HDF5 that is not ours: transforms of other programs, responses that others estimated.
FOREIGN_H5 = {
    "tristream.store",
    "tristream.bold.stored_arrays",
    "tristream.bold.resampling.transforms",
    "tristream.simulate.synthetic.betas_outputs",
    "tristream.simulate.synthetic.transform_files",
}


def test_hdf5_is_opened_by_the_store():
    for path in MODULES:
        opens = re.search(r"\bh5py\.File\(", path.read_text(encoding="utf-8"))
        assert not opens or name_of(path) in FOREIGN_H5, name_of(path)


STAGES = {place.pattern.split("/")[0] for place in PLACES.values()} | {"logs", "benchmarks"}


def spelled_paths(path: Path) -> list[str]:
    """Texts of a module that are joined to a path and begin with a folder of the results."""
    found = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            text = node.right
            if isinstance(text, ast.JoinedStr) and text.values:
                text = text.values[0]
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                found.append(text.value)
    return [text for text in found if text.split("/")[0] in STAGES]


# Folders of a BIDS dataset, not of the results.
NOT_RESULTS = {"tristream.simulate.bids"}


def test_result_paths_come_from_one_module():
    found = {name_of(path): spelled_paths(path) for path in MODULES}
    allowed = {"tristream.results"} | NOT_RESULTS
    assert {name: texts for name, texts in found.items() if texts and name not in allowed} == {}


RULE_FILES = sorted(RULES.glob("*.smk"))


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda p: p.stem)
def test_rules_take_their_paths_from_the_layout(path):
    text = path.read_text(encoding="utf-8")
    spelled = re.findall(r"\{R\}|f\"\{STUDY\.results\}|\"results/", text)
    assert spelled == []


# ------------------------------------------------------------------ names and sizes


def test_no_two_modules_share_a_name():
    """But where one stage has one module of its name: arguments, configuration, pages, spaces."""
    own = ("cli/", "config/", "report/sections/", "features/spaces/")
    names = Counter(
        path.name
        for path in MODULES
        if not path.name.startswith("__")
        and not path.relative_to(PACKAGE).as_posix().startswith(own)
    )
    assert {name for name, count in names.items() if count > 1} == set()


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_modules_are_short():
    assert {name_of(path): lines_of(path) for path in MODULES if lines_of(path) > 600} == {}


def test_what_all_rules_share_is_short():
    assert lines_of(RULES / "common.smk") < 200


def test_every_test_stands_with_its_package():
    """``tests/<package>/test_<module>.py``; across packages, a folder for each purpose."""
    across = {"workflow", "faults", "study", "slurm", "demo", "package", "site"}
    packages = {path.parent.relative_to(PACKAGE) for path in MODULES}
    for path in (REPOSITORY / "tests").rglob("test_*.py"):
        folder = path.relative_to(REPOSITORY / "tests").parent
        assert folder in packages or folder.parts[0] in across, path


# ------------------------------------------------------------------ rules

# Rules of which a part is left out, and why.
NO_CODE = {
    "default": "a target",
    "all": "a target",
    "fetch_dataset": "transport: what arrives is compared with its key",
    "fetch_subject": "the same",
    "fetch_stimuli": "the same",
    "fetch_weights": "the same",
    "fetch_atlas": "the same",
    "fetch_regions": "the same",
    "fetch_meshes": "the same",
    "drop": "frees space",
    "lagscan": "all that it depends on are files",
    "responses": "what it reads of the study stands in the encoding",
    "selection": "the same",
}
NO_SETTINGS = {
    "drop": "frees space",
    "lagscan": "all that it depends on are files",
    "responses": "what it reads of the study stands in the encoding",
    "selection": "the same",
    "regions": "all that it depends on are files",
    "tables": "the same",
}


def unrolled(path: Path) -> str:
    """Rules of a file; one that is made in a loop has the file's name."""
    text = path.read_text(encoding="utf-8")
    made = re.compile(r"^for .*:\n\n    rule:\n((?:    .*\n|\n)+)", flags=re.MULTILINE)
    return made.sub(lambda m: f"rule {path.stem}:\n" + re.sub(r"(?m)^    ", "", m[1]), text)


def rules() -> dict[str, str]:
    """Text of every rule by its name."""
    text = "\n".join(unrolled(path) for path in RULE_FILES)
    parts = re.split(r"^rule (\w+):\n", text, flags=re.MULTILINE)
    # A rule ends where the next line begins at the margin.
    bodies = [re.split(r"^\S", body, maxsplit=1, flags=re.MULTILINE)[0] for body in parts[2::2]]
    return dict(zip(parts[1::2], bodies, strict=True))


@pytest.mark.parametrize("rule", sorted(rules()))
def test_every_rule_declares_what_it_needs(rule):
    text = rules()[rule]
    if rule in ("default", "all"):
        return
    for key in ("log:", "benchmark:", "conda:", "threads:", "mem_mb=", "runtime=", "shell:"):
        assert key in text, key
    # Inside of the workflow, which is all of the clone that a wheel holds.
    (environment,) = re.findall(r"conda:\n +\"([^\"]+)\"", text)
    assert (RULES / environment).resolve().is_relative_to(RULES.parent)
    assert (RULES / environment).is_file()
    # A process more for each job, and code that no key follows.
    assert not re.search(r"^ +(run|script):", text, flags=re.MULTILINE)
    if rule not in NO_CODE:
        assert "code=" in text
    if rule not in NO_SETTINGS:
        assert re.search(r"^ +\w*settings=", text, flags=re.MULTILINE)


def test_exceptions_are_rules():
    assert set(NO_SETTINGS) <= set(rules())


# ------------------------------------------------------------------ the page in docs/

PAGE = REPOSITORY / "docs/architecture.md"


def test_layers_in_the_page_are_those_of_the_linter():
    spec = importlib.util.spec_from_file_location("layers", REPOSITORY / "docs/layers.py")
    layers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(layers)
    page = PAGE.read_text(encoding="utf-8")
    assert page == layers.written(page), "run `python docs/layers.py`"


def test_every_rule_and_no_other_is_in_the_page():
    page = PAGE.read_text(encoding="utf-8")
    table = page.partition("| stage | rules |")[2].partition("\n\n")[0]
    column = "".join(line.split("|")[2] for line in table.splitlines()[2:])
    assert set(re.findall(r"`(\w+)`", column)) == set(rules())


def test_paths_in_prose_exist():
    """Of modules, folders and pages that the documentation for developers names."""
    for name in ("docs/architecture.md", "CONTRIBUTING.md", "benchmarks/README.md"):
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        for path in re.findall(r"`((?:\w+/)+(?:\w+\.(?:py|yaml|md|toml|smk))?)`", text):
            roots = (REPOSITORY, PACKAGE.parent, PACKAGE, PACKAGE / "encode")
            # Below results/ or data/ nothing is there yet.
            if path.split("/")[0] not in ("results", "data"):
                assert any((root / path).exists() for root in roots), f"{name}: {path}"


# ------------------------------------------------------------------ words

# Words that a reader of the field would have to guess, and what is written instead.
COMPARATIVES = "(longer|more|less|fewer|later|earlier|better|worse)"
WORDS = {
    r"\bsaid\b": "provenance, metadata, attributes or text",
    r"\broads?\b": "pipeline, reader or way",
    r"\btwins?\b": "synthetic dataset",
    r"\b(told|tells?|telling)( \w+)? apart\b": "distinguished",
    r"\bmend(s|ed|ing|able)?\b": "fix",
    r"\bstretch(es)?\b": "time block, segment or interval",
    r"\bguards?\b": "minimum gap",
    r"\b[Ww]inners?\b": "best candidate",
    r"\bOffers?\b": "coverage gains",
    r"\bHeld\b": "held-out",
    r"\bGuess(es)?\b": "shortlist",
    r"\bhopeless\b": "pruned",
    r"\bimprove\b": "estimated loss",
    rf"(?<!here )\b(is|are) no (?!{COMPARATIVES}\b)[a-z]+": "is not a",
}
PROSE = sorted(
    path
    for root in ("src", "workflow", "docs", "README.md", "CONTRIBUTING.md", "config.yaml")
    for path in [REPOSITORY / root, *(REPOSITORY / root).rglob("*")]
    if path.suffix in (".py", ".smk", ".md", ".yaml", ".json", ".html", ".rst", ".js", ".css")
)


def house_words(path: Path) -> list[str]:
    """Words of the list in a file, each with what is written instead."""
    # A sentence may go over a line's end, also that of a comment.
    text = re.sub(r"\s+(# )?", " ", path.read_text(encoding="utf-8"))
    return [
        f"{found.group()!r} ({instead})"
        for word, instead in WORDS.items()
        for found in re.finditer(word, text)
    ]


def test_words_are_those_of_the_field():
    found = {path.relative_to(REPOSITORY).as_posix(): house_words(path) for path in PROSE}
    assert {name: words for name, words in found.items() if words} == {}
