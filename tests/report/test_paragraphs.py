"""Sentences of many files as one paragraph."""

import pytest

from tristream.report.paragraphs import Form, Told, merged, paragraph

RUNS = Form("", ("subject", "run"))
MODELS = Form("model", ("subject",))


def bold(sentences):
    """Files of runs by ``(subject, run)``."""
    return [Told("", member, tuple(own)) for member, own in sentences.items()]


def test_what_all_say_stands_once():
    files = bold({("01", f"run-{n}"): ["Cleaned.", "Scaled."] for n in range(12)})
    assert paragraph(files, RUNS) == "Cleaned. Scaled."


def test_what_some_say_names_them():
    files = {("01", f"run-{n}"): ["Cleaned.", "Scaled."] for n in range(4)}
    files["01", "run-2"] = ["Cleaned.", "Resampled.", "Scaled."]
    files["01", "run-3"] = ["Scaled."]
    assert paragraph(bold(files), RUNS) == (
        "Cleaned (3 of 4 runs of sub-01: run-0, run-1, run-2). "
        "Resampled (1 of 4 runs of sub-01: run-2). Scaled."
    )


def test_runs_of_several_subjects():
    files = {(s, f"run-{n}"): ["A."] for s in ("01", "02", "03") for n in range(3)}
    for subject in ("01", "02", "03"):
        files[subject, "run-1"] = ["A.", "B."]
    assert paragraph(bold(files), RUNS) == "A. B (1 of 3 runs of each subject: run-1)."
    files["02", "run-1"] = ["A."]
    files |= {("03", f"run-{n}"): ["A.", "B."] for n in range(3)}
    assert paragraph(bold(files), RUNS) == (
        "A. B (1 of 3 runs of sub-01: run-1; all runs of sub-03)."
    )


def test_long_lists_are_cut():
    files = {("01", f"run-{n}"): ["A."] if n < 9 else [] for n in range(20)}
    text = paragraph(bold(files), RUNS)
    assert text == (
        "A (9 of 20 runs of sub-01: run-0, run-1, run-2, run-3, run-4, run-5 and 3 more)."
    )


def test_subjects_are_named_as_bids_does():
    files = [Told("", (s,), ("A.",) if s != "02" else ()) for s in ("01", "02", "03")]
    assert paragraph(files, Form("", ("subject",))) == "A (2 of 3 subjects: sub-01, sub-03)."


def test_one_name_is_not_repeated():
    assert paragraph([Told("only", ("01",), ("Ridge.",))], MODELS) == "Ridge."


def test_a_sentence_that_names_its_layer_is_not_followed_by_it():
    files = [
        Told("net", (layer,), (f"Layer {layer} of net has 3 columns.", *more))
        for layer, more in (("early", ("Averaged.",)), ("late", ()))
    ]
    assert paragraph(files, Form("space", ("layer",))) == (
        "Layer early of net has 3 columns. Averaged (1 of 2 layers: early). "
        "Layer late of net has 3 columns."
    )


def test_names_that_say_the_same_share_a_sentence():
    files = [
        Told("streams", ("01",), ("Bands a, b.", "Tested.")),
        Told("oracle", ("01",), ("Bands c.", "Tested.")),
        Told("shifted", ("01",), ("Bands a, b.", "Tested.", "A control.")),
    ]
    assert paragraph(files, MODELS) == (
        "Models streams and shifted: Bands a, b. Model oracle: Bands c. "
        "Models streams, oracle and shifted: Tested. Model shifted: A control."
    )


def test_nothing_is_named_where_all_names_say_the_same():
    files = [Told(name, ("01",), ("Tested.", "Counted.")) for name in "abcde"]
    assert paragraph(files, MODELS) == "Tested. Counted."


def test_many_names_are_counted():
    files = [Told(name, ("01",), (f"Layer {name}.", "Averaged.")) for name in "abcd"]
    assert paragraph(files, MODELS).endswith("All 4 models: Averaged.")


def test_subjects_differ_within_models():
    files = [
        Told(name, (subject,), ("A.", "B.") if subject == "01" else ("A.",))
        for name in ("x", "y")
        for subject in ("01", "02")
    ]
    files.append(Told("z", ("01",), ("A.",)))
    assert paragraph(files, MODELS) == (
        "Models x, y and z: A. Models x and y: B (1 of 2 subjects: sub-01)."
    )


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ([["a", "c"], ["b", "c"]], ["a", "b", "c"]),
        ([["a", "b"], ["b", "c"], ["a", "x", "b"]], ["a", "x", "b", "c"]),
        ([["a", "b"], ["b", "a"]], ["a", "b"]),
        ([[], ["a"]], ["a"]),
        ([["a", "a"]], ["a"]),
    ],
)
def test_merged_order(lists, expected):
    assert merged(lists) == expected
