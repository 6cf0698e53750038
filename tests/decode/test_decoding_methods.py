"""What a decoder says of how it was made is what it did; lies are found."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tristream.config.decoders import DecoderDesign
from tristream.config.settings.decode import DecodeSettings
from tristream.decode.classifiers import CLASSIFIERS, LINEAR, Classifier
from tristream.decode.decoding import decode, to_file
from tristream.decode.decoding_methods import methods_of
from tristream.decode.decoding_samples import Samples


def samples(test=(), runs=8, labels=5, **changes) -> Samples:
    """A few runs of as many units as labels, each of two volumes."""
    rng = np.random.default_rng(0)
    label = np.concatenate([rng.permutation(labels) for _ in range(runs)])
    unit = np.repeat(np.arange(runs * labels), 2)
    x = rng.standard_normal((len(unit), 6)) + np.eye(labels, 6)[label[unit]]
    given = Samples(
        x=x,
        unit=unit,
        label=label,
        run=np.repeat(np.arange(runs), labels),
        length=np.full(runs * labels, 2),
        item=np.arange(runs * labels),
        unit_names=[str(i) for i in range(runs * labels)],
        classes=list("abcde"[:labels]),
        runs=[f"run-{i}" for i in range(runs)],
        test=np.isin(np.arange(runs), test),
        repeat=[""] * runs,
        exchange="block",
    )
    return replace(given, **changes)


def made(given: Samples, unit="block", **keys):
    """Sentences of a decoder, and the decoding that they are about."""
    block = DecoderDesign(**{"kind": "ridge", "samples": "volumes", "permutations": 20, **keys})
    settings = DecodeSettings(dataset="d", decoder="which", block=block, unit=unit)
    found = decode(given, block)
    decoding = to_file(given, found, settings, "1")
    return methods_of(given, decoding, settings, found.refusal), decoding, settings


def lies(text: str, given: Samples, decoding, settings) -> list[str]:
    """What a text gets wrong."""
    block, runs, tested = settings.block, len(given.runs), len(decoding.runs)
    holdout, p = decoding.scheme == "holdout", decoding.p is not None
    facts = {
        r"ridge classifier .*penalty ([\d.]+)\)": block.kind == "ridge" and block.regularization,
        r"support vector machine .*C = ([\d.]+)\)": block.kind == "svm" and block.regularization,
        r"chosen out of (\d+) from": block.regularization is None
        and "ridge" in (block.kind, *block.members)
        and 5,
        r"shrunk after Ledoit": "lda" in (block.kind, *block.members),
        r"majority, of (\d+) classifiers": len(block.members),
        r"p values of (\d+) accuracies": p and block.members and 2 + len(block.members),
        r"In each fit the (\d+) of 6 voxels": block.voxels,
        r"held out in (\d+) groups": decoding.scheme == "groups of runs" and block.folds,
        r"Patterns are the covariance": block.kind in LINEAR,
        r"of (\d+) labels": len(decoding.classes),
        rf"fitted to single {given.rows}\.": block.samples == "volumes",
        rf"the mean of the {given.rows} of each {settings.unit}\.": block.samples == "blocks",
        r"shown ([\d.]+) s earlier": given.delay,
        r"deviation over the training samples": block.standardize == "training",
        r"scaled in their own run": block.standardize == "run",
        r"fitted to (\d+) training runs": holdout and runs - tested,
        r"tested on (\d+) held-out runs": holdout and tested,
        r"Each of the (\d+) runs was held out once": not (holdout or block.folds) and runs,
        r"under ([\d,]+) random permutations": p and len(decoding.null),
        rf"labels of whole {settings.unit}s within runs": p,
        r"seed (\d+)\)": p and block.seed + 0.0,
        r"no p value: ": not p,
        r"leaving out each of (\d+) tested": decoding.n_units,
        rf"tested {settings.unit}s in turn": bool(decoding.n_units),
        r"Balanced accuracy is the mean of the labels' recalls": True,
        r"items that it was tested on \((\d+) left": decoding.n_left_out,
        r"Each label was that of one item": given.one_item,
    }
    wrong = []
    for pattern, fact in facts.items():
        found = re.findall(pattern, text)
        told = found[0].replace(",", "") if found and "(" in pattern.replace("\\(", "") else found
        if isinstance(fact, bool | np.bool_):
            right = bool(found) == fact
        else:
            right = bool(found) and float(told) == fact if fact or "seed" in pattern else not found
        wrong += [] if right else [pattern]
    return wrong


CASES = {
    "ridge": (samples(), {"regularization": 530}),
    "svm": (
        samples(delay=5.0),
        {"kind": "svm", "samples": "blocks", "seed": 3, "regularization": 1},
    ),
    "lda": (samples(), {"kind": "lda", "voxels": 4, "folds": 4, "permutations": 5}),
    "ensemble": (samples(), {"kind": "ensemble", "members": ["ridge", "lda"], "permutations": 5}),
    "holdout": (samples(test=[6, 7]), {"standardize": "training"}),
    "few": (samples(runs=3, labels=2), {}),
    "trials": (samples(rows="trials"), {"permutations": 0}),
    "items": (samples(), {"unit": "item"}),
    "names of items": (samples(one_item=True, exchange="item"), {"unit": "item"}),
    "shown again": (
        samples(item=np.arange(40) % 35, exchange="item", label=np.tile(np.arange(5), 8)),
        {"unit": "item"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_sentences_are_true_and_none_may_be_missing(case):
    given, keys = CASES[case]
    sentences, decoding, settings = made(given, **keys)
    assert lies(" ".join(sentences), given, decoding, settings) == []
    for place in range(len(sentences)):
        rest = " ".join(sentences[:place] + sentences[place + 1 :])
        assert lies(rest, given, decoding, settings)


@pytest.mark.parametrize(
    ("case", "true", "lie"),
    [
        ("ridge", "penalty 530", "penalty 1"),
        ("ridge", "Each of the 8 runs", "Each of the 12 runs"),
        ("ridge", "under 20 random", "under 200 random"),
        ("holdout", "fitted to 6 training runs and tested on 2", "leave-one-run-out over 8"),
        ("holdout", "over the training samples", "within each run"),
        ("svm", "5 s earlier", "2 s earlier"),
        ("ridge", "Patterns are the covariance", "Weights are the covariance"),
        ("lda", "the 4 of 6 voxels", "the 5 of 6 voxels"),
        ("lda", "in 4 groups", "in 8 groups"),
        ("lda", "after Ledoit and Wolf", "by hand"),
        ("ensemble", "of 2 classifiers", "of 3 classifiers"),
        ("ensemble", "p values of 4 acc", "p values of 2 acc"),
        ("holdout", "out of 5 from", "out of 50 from"),
        ("few", "no p value", "the p value 0.01"),
        ("items", "whole items", "whole blocks"),
        ("items", "each of 40 tested items", "each of 80 tested samples"),
        ("names of items", "that of one item", "that of several items"),
        ("shown again", "(20 left out", "(0 left out"),
        ("trials", "single trials", "single volumes"),
    ],
)
def test_planted_lies_are_found(case, true, lie):
    given, keys = CASES[case]
    sentences, decoding, settings = made(given, **keys)
    text = " ".join(sentences)
    assert true in text
    assert lies(text.replace(true, lie), given, decoding, settings)


def test_why_there_is_no_p_value_is_told():
    assert "only 4 distinct permutations exist" in " ".join(made(samples(runs=3, labels=2))[0])


def test_citations_are_in_the_bibliography():
    bibliography = (Path(__file__).parents[2] / "src/tristream/references.bib").read_text()
    for key in re.findall(r"@(\w+)", " ".join(made(samples(), kind="svm", regularization=1)[0])):
        assert f"{{{key}," in bibliography


def test_a_classifier_without_methods_cannot_be_registered():
    with pytest.raises(TypeError, match="methods"):
        CLASSIFIERS["silent"] = Classifier(CLASSIFIERS["ridge"].fold)
    assert "silent" not in CLASSIFIERS


def test_blocks_in_rounds_are_called_blocks() -> None:
    given = samples(exchange="round")
    text = " ".join(made(given, unit="round")[0])
    assert "of labels of whole blocks within runs and rounds that show every label once" in text
    assert "whole rounds" not in text
