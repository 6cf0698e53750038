"""The methods text names the kind of model that was fitted."""

from types import SimpleNamespace

import pytest

from helpers.encoding_files import model
from tristream.report.methods import Methods, _encoding

DATASET = SimpleNamespace(tr=2.0, split=SimpleNamespace(scheme="leave-one-run-out"))


@pytest.mark.parametrize(
    ("changes", "said", "unsaid", "cited"),
    [
        ({}, ["banded ridge", "delayed by 2, 4, 6 s", "8 candidates"], ["SPM"], "dupre2022"),
        ({"hrf": "spm"}, ["SPM's canonical response"], ["delayed by"], "friston1998"),
        ({"kernels": {"dorsal": "rbf"}}, ["dorsal under a Gaussian kernel"], [], "dupre2022"),
        ({"kind": "stacking"}, ["convex weights", "the penalty"], ["candidates"], "lin2023"),
        ({"kind": "tcn"}, ["temporal convolutional", "Shapley"], ["delayed", "penalty"], "bai2018"),
    ],
)
def test_every_kind_is_told_as_it_is(changes, said, unsaid, cited):
    methods = Methods()
    text = _encoding(methods, "m", model(**changes), DATASET)
    for words in said:
        assert words in text
    for words in unsaid:
        assert words not in text
    assert cited in {reference.key for reference in methods.references}
