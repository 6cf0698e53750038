"""What an encoding says of how it was made is what its file holds; lies are found."""

import re
from pathlib import Path

import pytest

from helpers.encoding_facts import lies
from helpers.encoding_files import encode_settings, model, write_study
from tristream.encode.encoding_file import read_encoding
from tristream.encode.fit import fit_subject
from tristream.encode.model_kind import ModelKind
from tristream.encode.models import KINDS

NETWORK = {"width": 4, "epochs": 2, "learning_rate": 1e-2}
MODELS = {
    "streams": ("holdout", {}),
    "picked": ("holdout", {"select": "best"}),
    "stepped": ("leave-one-run-out", {"solver": "gradient"}),
    "few": ("holdout", {"candidates": 2, "delays": ["2 TR"]}),
    "wide": ("leave-one-run-out", {"candidates": 12, "alphas": {"number": 20}}),
    "one": ("leave-one-run-out", {"bands": {"ventral": ["net/early"]}, "delays": [0]}),
    "curved": ("holdout", {"kernels": {"ventral": "rbf", "dorsal": "polynomial"}, "hrf": "spm"}),
    "stacked": ("holdout", {"kind": "stacking", "components": 3}),
    "network": ("holdout", {"kind": "tcn", "network": NETWORK, "components": 3}),
    "labels": ("items", {}),
    "canonical": ("items", {"hrf": "spm"}),
    "labelled_network": ("items", {"kind": "tcn", "network": NETWORK}),
    "control": ("holdout", {"control": "shifted", "candidates": 1, "alphas": {"number": 1}}),
}


def with_items(study):
    study["items"] = ["net/early"]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("methods")
    studies = {s: write_study(folder / s, s) for s in ("holdout", "leave-one-run-out")}
    studies["items"] = write_study(folder / "items", change=with_items)
    out = {}
    for name, (scheme, changes) in MODELS.items():
        study, out[name] = studies[scheme], folder / f"{name}.h5"
        inputs = study["aligned"], study["bold"], study["samples"]
        fit_subject(encode_settings(model(**changes), name), "01", *inputs, out[name])
    return out


@pytest.mark.parametrize("name", MODELS)
def test_sentences_are_true(files, name):
    assert lies(files[name]) == []


@pytest.mark.parametrize("name", MODELS)
def test_what_is_left_out_or_was_done_by_another_model_is_found(files, name):
    sentences = list(read_encoding(files[name])[1].methods)
    for place in range(len(sentences)):
        assert lies(files[name], sentences[:place] + sentences[place + 1 :]), sentences[place]
    others = [s for other in MODELS for s in read_encoding(files[other])[1].methods]
    for foreign in set(others) - set(sentences):
        assert lies(files[name], [*sentences, foreign]), foreign


@pytest.mark.parametrize(
    ("name", "true", "lie"),
    [
        ("streams", "delayed by 1, 2 and 3 s", "delayed by 2, 4 and 6 s"),
        ("streams", "TR 1 s", "TR 2 s"),
        ("streams", "(8 candidates", "(50 candidates"),
        ("streams", "7 values from 0.01 to 10000", "15 values from 0.01 to 100000"),
        ("streams", "each of the 3 training runs", "each of the 5 training runs"),
        ("streams", "R = 2 repeats", "R = 3 repeats"),
        ("streams", "over 6 groups", "over 12 groups"),
        ("streams", "; predictions and BOLD of held-out runs that repeat one another", "; runs"),
        ("streams", "tested on 2 held-out runs", "tested by leave-one-run-out"),
        ("streams", "repeat one another", "show the same stimuli in the same order"),
        ("streams", "speed)", "speed, flow/size)"),
        ("streams", "exp(R²/T)", "equally"),
        ("streams", "were scored by R²", "were chosen by cross-validated R²"),
        ("picked", "were chosen by cross-validated R²", "were scored by R²"),
        ("stepped", "5 steps", "8 steps"),
        ("stepped", "orthogonal to each band's", "equal to each band's"),
        ("wide", "other 3 runs", "other 4 runs"),
        ("wide", "(nested leave-one-run-out)", "(holdout)"),
        ("curved", "Gaussian", "linear"),
        ("stacked", "at most 3", "at most 9"),
    ],
)
def test_planted_lies_are_found(files, name, true, lie):
    sentences = read_encoding(files[name])[1].methods
    assert any(true in sentence for sentence in sentences)
    assert lies(files[name], [s.replace(true, lie) for s in sentences])


def test_what_was_not_done_is_not_mentioned(files):
    text = {name: " ".join(read_encoding(path)[1].methods) for name, path in files.items()}
    assert "ceiling" not in text["wide"] + text["one"]
    assert "product measure" not in text["one"]
    assert "the first" not in text["few"]
    assert "each band alone" not in text["few"]
    assert "random" not in text["few"]
    assert "each band alone and 5 random ones, seed 0" in text["streams"]
    assert "The penalty was 0.01" in text["control"]
    assert "All bands had the same weight." in text["control"]
    assert "cross-validated" not in text["control"]
    assert "near-best" not in text["picked"] + text["one"] + text["control"] + text["stacked"]
    assert "delayed" not in text["network"] + text["curved"]


def test_citations_are_in_the_bibliography(files):
    bibliography = (Path(__file__).parents[2] / "src/tristream/references.bib").read_text()
    for path in files.values():
        for key in re.findall(r"@(\w+)", " ".join(read_encoding(path)[1].methods)):
            assert f"{{{key}," in bibliography


def test_a_kind_without_methods_cannot_be_registered():
    with pytest.raises(TypeError, match="methods"):
        KINDS["silent"] = ModelKind(KINDS["tcn"].fit)
    assert "silent" not in KINDS
