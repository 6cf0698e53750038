"""Sentences about tests, fact by fact against the files that they stand in; planted lies fail."""

import re
from dataclasses import replace

import numpy as np
import pytest

from helpers.encoding_files import TR, encode_settings, model, write_study
from helpers.inference_settings import comparing, grouping, inferring
from tristream.encode.encoding_file import read_encoding, write_encoding
from tristream.encode.fit import fit_subject
from tristream.inference import wording
from tristream.inference.comparison import compare_encodings
from tristream.inference.comparison_file import read_comparison
from tristream.inference.encoding import (
    BlocksOfPrediction,
    EncodingTest,
    FeaturesOfUnits,
    RefittedFeatures,
    RefittedFolds,
    ShiftedPrediction,
    infer_encoding,
)
from tristream.inference.group_file import read_group
from tristream.inference.group_models import infer_models
from tristream.inference.inference_file import read_inference
from tristream.inference.paired_tests import (
    BlocksOfDifference,
    FeaturesOfBoth,
    FlippedInBothRoles,
    FlippedSigns,
)
from tristream.inference.permutation import PredictedRun, exchange_of_runs
from tristream.inference.procedures import REGISTERED, Procedure, register
from tristream.inference.resolution import ENOUGH, GROWTH, SELDOM
from tristream.inference.spatial import EXTENT, HEIGHT, STEP
from tristream.inference.tested_runs import runs_of
from tristream.store import Provenance

PROCEDURES = {"bh": "Benjamini and Hochberg", "by": "Benjamini and Yekutieli"}
NULLS = {
    BlocksOfPrediction.null: "of the prediction within",
    ShiftedPrediction.null: "shifting the prediction in a circle",
    RefittedFolds.null: "of the BOLD within",
    FeaturesOfUnits.null: "times and weights as they were",
    RefittedFeatures.null: "times and BOLD as they were",
    FlippedSigns.null: "flipping the sign of the difference in each",
    BlocksOfDifference.null: "of the difference of the predictions within",
    FeaturesOfBoth.null: "predicting again by both models",
    FlippedInBothRoles.null: "what a unit adds as test data, and as training data",
}
SPATIAL = {"cluster_mass": "by their mass [@bullmore1999]", "tfce": "enhancement (E = 0.5"}
UNITS = {
    "item": r"whole items \(each with all its showings\)",
    "block": "whole blocks of one label",
    "time": r"blocks of ([\d.]+) s",
}


def number(text: str) -> int:
    """``39,916,800`` or ``more than 10^15``."""
    return 10**15 if "10^15" in text else int(text.replace(",", ""))


def facts(sentences: tuple[str, ...]) -> dict:
    """What the sentences claim."""
    text = " ".join(sentences)
    if refused := re.search(r"No p values were computed: (.*)\.$", text):
        return {"refusal": refused[1]}
    claimed: dict = {"null": {null for null, words in NULLS.items() if words in text}}
    claimed["unit"] = {unit for unit, words in UNITS.items() if re.search(words, text)}
    found = re.search(r"blocks of ([\d.]+) s", text)
    claimed["seconds"] = float(found[1]) if found else None
    count = re.search(r"\(([\d,]+) [\w ]+, drawn at random from (.+?) distinct", text)
    once = re.search(r"each of the ([\d,]+) shifts once", text)
    claimed["used"] = number(count[1] if count else once[1])
    claimed["distinct"] = number(count[2]) if count else claimed["used"] + 1
    claimed["sides"] = 2 if "two-sided" in text else 1
    claimed["fdr"] = float(re.search(r"false discovery rate of ([\d.]+)", text)[1])
    claimed["procedure"] = {key for key, words in PROCEDURES.items() if words in text}
    claimed["family-wise"] = "for the family-wise error" in text
    claimed["widened"] = "It was therefore widened" in text
    grown = re.search(r"grew by ([\d.]+)(?: to ([\d.]+))? %", text)
    claimed["growth"] = {float(g) for g in grown.groups() if g} if grown else set()
    went_on = re.search(r"decided [^:]*: ([\d,]+) of ([\d,]+) voxels .* number, ([\d,]+)\.", text)
    claimed["went on"] = tuple(map(number, went_on.groups())) if went_on else None
    tails = re.search(r"than the ([\d,]+) with which .* the p of ([\d,]+) voxels .*fitted", text)
    others = re.search(r"for ([\d,]+) (?:others|voxels that .* reached) no tail", text)
    claimed["tails"] = tuple(map(number, tails.groups())) if tails else None
    claimed["no tail"] = number(others[1]) if others else 0
    together = re.search(r"with which ([\d,]+) of the ([\d,]+) voxels must", text)
    claimed["together"] = tuple(map(number, together.groups())) if together else None
    claimed["spatial"] = {name for name, words in SPATIAL.items() if words in text}
    return claimed


def of_test(path, encoding) -> dict:
    """The same from the file's numbers."""
    tested, provenance = read_inference(path)
    if tested.found is None:
        return {"refusal": next(o.why for o in provenance.omitted if o.what == "p")}
    growth = 100 * (np.array(tested.widening) - 1)
    wide = growth.max() > 0.05
    films = tested.unit == "time" and tested.null != ShiftedPrediction.null
    moves = exchange_of_runs(runs_of(encoding), "time")
    lengths = {length * TR for one in moves.sets for length in one.lengths.values()}
    return {
        "null": {tested.null},
        "unit": set() if tested.null == ShiftedPrediction.null else {tested.unit},
        "seconds": lengths.pop() if films else None,
        "used": len(tested.found.null_max),
        "distinct": tested.n_distinct,
        "sides": 1,
        "fdr": tested.fdr,
        "procedure": {tested.procedure},
        "family-wise": True,
        "widened": bool(wide),
        "growth": {round(g, 1) for g in (growth.min(), growth.max())} if wide else set(),
        **of_draws(tested),
    }


def of_draws(tested) -> dict:
    """How many permutations voxels got, and what that resolves."""
    draws, used = tested.draws, len(tested.found.null_max)
    most, voxels, fitted = draws.permutations.max(), len(draws.permutations), draws.tail.sum()
    # Those that no tail fitted have few permutations that reach them.
    assert (tested.found.p[draws.tail] < 10 / used).all()
    return {
        "went on": ((draws.permutations < most).sum(), voxels, most) if most > used else None,
        "tails": (draws.needed, fitted) if fitted else None,
        "no tail": draws.no_tail,
        "together": (draws.fewest, voxels) if 1 < draws.fewest <= voxels else None,
        "spatial": set(tested.spatial),
    }


@pytest.fixture(scope="module")
def encodings(tmp_path_factory):
    """Held out in blocks of 10 s; a long film; leave-one-run-out; five blocks; a smaller model."""
    folder = tmp_path_factory.mktemp("methods")
    paths = {}

    def units(length):
        def change(study):
            table = study["samples"]
            pairs = zip(table["run"], table["row"], strict=True)
            table["unit"] = [f"{run}/{row // length}" for run, row in pairs]
            table["item"] = [f"scene {row // length}" for row in table["row"]]

        return change

    for name, scheme, length in (
        ("holdout", "holdout", 10),
        ("nested", "leave-one-run-out", 10),
        ("few", "holdout", 40),
    ):
        study = write_study(folder / name, scheme=scheme, change=units(length))
        paths[name] = folder / name / "streams.h5"
        inputs = (study["aligned"], study["bold"], study["samples"])
        fit_subject(encode_settings(model(candidates=3)), "01", *inputs, paths[name])
        small = model(bands={"dorsal": ["motion"]})
        paths[f"{name}, small"] = folder / name / "small.h5"
        fit_subject(encode_settings(small, "small"), "01", *inputs, paths[f"{name}, small"])
    encoding, provenance = read_encoding(paths["holdout"])
    longer = {
        key: replace(
            test,
            y=np.tile(test.y, (2, 1)),
            prediction=np.tile(test.prediction, (2, 1)),
            band_prediction=np.tile(test.band_prediction, (1, 2, 1)),
            unit=np.concatenate([test.unit, test.unit + 100]),
            projection=np.zeros((2 * len(test.y), 0)),
        )
        for key, test in encoding.tests.items()
    }
    paths["long"] = folder / "long.h5"
    about = {k: encoding.about[k] for k in ("model", "scheme", "subject", "tr")}
    write_encoding(paths["long"], replace(encoding, tests=longer, about=about), provenance)
    return paths


CASES = {
    "film": ("holdout", {}),
    "design of items": ("holdout", {"unit": "item", "procedure": "by", "fdr": 0.1}),
    "folds": ("nested", {"unit": "block"}),
    "folds of films": ("nested", {}),
    "some shifts": ("long", {"null": "shift"}),
    "limited": ("holdout", {"most_permutations": 40, "spatial": ["tfce"]}),
    "tails": ("holdout", {"permutations": 600, "most_permutations": 600, "fdr": 0.001}),
    "every shift": ("long", {"null": "shift", "permutations": 500}),
    "too few blocks": ("few", {}),
    "too short for shifts": ("holdout", {"null": "shift"}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_fact_of_a_test_is_that_of_its_file(encodings, tmp_path, case):
    name, changes = CASES[case]
    settings = inferring(**{"unit": "time", "permutations": 40, **changes})
    output = tmp_path / "out.h5"
    infer_encoding(encodings[name], settings, output)
    _, provenance = read_inference(output)
    encoding, _ = read_encoding(encodings[name])
    truth = of_test(output, encoding)
    assert facts(provenance.methods) == truth
    if "refusal" in truth:
        assert len(provenance.methods) == 1


LIES = [
    ("within", "after shifting the prediction in a circle within"),
    ("of the prediction within", "of the difference of the predictions within"),
    ("blocks of 10 s", "blocks of 20 s"),
    ("blocks of 10 s", "whole presentations of an item"),
    ("(40 rearr", "(1,000 rearr"),
    ("39,916,800", "more than 10^15"),
    ("one-sided", "two-sided"),
    ("rate of 0.05", "rate of 0.01"),
    ("Benjamini and Hochberg", "Benjamini and Yekutieli"),
    ("for the family-wise error", "for nothing else"),
    ("It was therefore widened", "It was kept"),
    ("number, ", "number, 1"),
    ("(E = 0.5", "(E = 1"),
    ("grew by", "grew by 99.0 to"),
]


@pytest.mark.parametrize(("true", "lie"), LIES)
def test_a_planted_lie_is_seen(encodings, tmp_path, true, lie):
    infer_encoding(encodings["holdout"], inferring("time", permutations=40), tmp_path / "out.h5")
    sentences = read_inference(tmp_path / "out.h5")[1].methods
    encoding, _ = read_encoding(encodings["holdout"])
    assert any(true in sentence for sentence in sentences)
    false = tuple(sentence.replace(true, lie) for sentence in sentences)
    assert facts(false) != of_test(tmp_path / "out.h5", encoding)


def test_numbers_of_the_method_are_those_of_its_code(encodings, tmp_path):
    settings = inferring("time", permutations=600, most_permutations=700, fdr=0.001)
    infer_encoding(encodings["holdout"], settings, tmp_path / "out.h5")
    text = " ".join(read_inference(tmp_path / "out.h5")[1].methods)
    assert f"Those that fewer than {ENOUGH} of them reached" in text
    assert f"voxels that fewer than {SELDOM} reached" in text
    assert "with four times as many" in text
    assert GROWTH == 4
    assert f"(E = {EXTENT}, H = {HEIGHT:g}, steps of {STEP})" in text


def test_what_was_not_widened_does_not_tell_of_it(encodings, tmp_path):
    infer_encoding(encodings["holdout"], inferring("block", permutations=40), tmp_path / "out.h5")
    text = " ".join(read_inference(tmp_path / "out.h5")[1].methods)
    assert "widened" not in text
    assert "kunsch1989" not in text


def test_a_film_without_a_projection_does_not_tell_of_one(encodings, tmp_path):
    infer_encoding(
        encodings["long"], inferring("time", null="shift", permutations=40), tmp_path / "out.h5"
    )
    assert "projected out" not in " ".join(read_inference(tmp_path / "out.h5")[1].methods)


@pytest.mark.parametrize(
    ("name", "null"), [("holdout", FlippedSigns), ("few", None), ("nested", FlippedInBothRoles)]
)
def test_every_fact_of_a_comparison_is_that_of_its_file(encodings, tmp_path, name, null):
    output = tmp_path / "out.h5"
    paths = encodings[name], encodings[f"{name}, small"]
    compare_encodings(*paths, comparing("time", permutations=60), None, output)
    compared, provenance = read_comparison(output)
    claimed = facts(provenance.methods)
    if null is None:
        assert claimed == {"refusal": provenance.omitted[0].why}
        assert compared.found is None
        return
    text = provenance.methods[0]
    assert text.startswith("Models streams and small were compared")
    assert claimed["null"] == {null.null} == {compared.null}
    tests = read_encoding(paths[0])[0].tests.values()
    units = sum(len(np.unique(test.unit)) for test in tests)
    assert f"in each of {units} blocks of 10 s (60 patterns of signs" in text
    assert claimed["used"] == compared.n_permutations == 60
    assert claimed["distinct"] == compared.n_distinct == 2 ** (units - 1)
    assert claimed["sides"] == 2
    assert claimed["fdr"] == compared.fdr
    assert ("p values are approximate" in " ".join(provenance.methods)) == (name == "nested")
    assert claimed["family-wise"]
    assert "region" not in " ".join(provenance.methods)
    assert provenance.methods[-1] == f"These are tests of {len(compared.ijk)} voxels."


@pytest.mark.parametrize("subjects", [1, 2, 9])
def test_the_group_tells_of_the_questions_that_were_asked(encodings, tmp_path, subjects):
    tested = tmp_path / "tested.h5"
    infer_encoding(encodings["holdout"], inferring("time", permutations=40), tested)
    paths = []
    encoding, provenance = read_encoding(encodings["holdout"])
    for index in range(subjects):
        paths.append(tmp_path / f"{index}.h5")
        about = {**encoding.about, "subject": f"{index:02}"}
        write_encoding(paths[-1], replace(encoding, about=about), provenance)
    samples = [encodings["holdout"].parent / "samples.tsv"] * subjects
    settings = grouping(permutations=50)
    infer_models(paths, [tested] * subjects, samples, settings, tmp_path / "group.h5")
    group, provenance = read_group(tmp_path / "group.h5")
    text = " ".join(provenance.methods)
    means = group.voxels.means
    assert f"Of {subjects} subject{'s' * (subjects > 1)}, those" in text
    assert "[@ince2021]" in text
    assert ("holds for other stimuli in these" in text) == (means.stimuli is not None)
    assert ("alike in all subjects (50 rearrangements" in text) == (subjects > 1)
    if subjects > 1:
        assert ("got up to" in text) == (means.stimuli.most > means.stimuli.used)
    assert ("flipping the signs" in text) == (means.people is not None) == (subjects > 7)
    # What each test generalises over, and what it cannot tell.
    assert ("holds for these subjects alone" in text) == (subjects > 1)
    assert ("whether the features are its reason or not" in text) == (subjects > 7)
    if subjects > 7:
        assert f"of the {subjects} subjects (all 512 patterns once)" in text


@pytest.mark.parametrize("scheme", ["holdout", "nested"])
def test_copies_of_one_subject_have_the_p_values_of_that_subject(encodings, tmp_path, scheme):
    tested, samples = tmp_path / "tested.h5", encodings[scheme].parent / "samples.tsv"
    settings = inferring("time", permutations=60, most_permutations=60)
    found = infer_encoding(encodings[scheme], settings, tested).found
    copies = [encodings[scheme]] * 2, [tested] * 2, [samples] * 2
    infer_models(*copies, grouping(permutations=60, most_permutations=60), tmp_path / "group.h5")
    group, provenance = read_group(tmp_path / "group.h5")
    order = np.argsort(np.ravel_multi_index(tuple(read_encoding(copies[0][0])[0].ijk.T), (99,) * 3))
    test = group.voxels.means.stimuli
    np.testing.assert_allclose(test.p, found.p[order])
    np.testing.assert_allclose(test.p_fwe, found.p_fwe[order])
    text = " ".join(provenance.methods)
    assert ("fitting every fold of leave-one-run-out again" in text) == (scheme == "nested")


def test_a_group_without_p_values_does_not_tell_of_counts(encodings, tmp_path):
    tested = tmp_path / "tested.h5"
    infer_encoding(encodings["few"], inferring("time"), tested)
    samples = [encodings["few"].parent / "samples.tsv"] * 2
    infer_models([encodings["few"]] * 2, [tested] * 2, samples, grouping(), tmp_path / "group.h5")
    group, provenance = read_group(tmp_path / "group.h5")
    assert group.count is None
    text = " ".join(provenance.methods)
    assert "Fisher z was averaged over subjects" in text
    assert "counted" not in text
    assert "ince2021" not in text


def test_a_test_without_sentences_cannot_be_registered():
    class Silent(EncodingTest):
        null = "nothing moves"

    with pytest.raises(TypeError, match="Silent: a test needs moved"):
        register(Silent)

    class Nameless(Procedure):
        def methods(self, done):
            return ()

    with pytest.raises(TypeError, match="Nameless: a test needs a null of its own"):
        register(Nameless)
    assert "nothing moves" not in REGISTERED


def test_provenance_has_the_settings_that_the_job_was_given(encodings, tmp_path):
    settings = inferring("block", permutations=40)
    infer_encoding(encodings["holdout"], settings, tmp_path / "out.h5", "c0de")
    provenance: Provenance = read_inference(tmp_path / "out.h5")[1]
    assert provenance.config == settings.key()
    assert provenance.code == "c0de"


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 0, 0, 0], "0 blocks can change places: the smallest possible p is 1.00 (1 distinct "),
        ([0, 0, 1, 1], "2 blocks can change places: the smallest possible p is 0.50 (2 distinct "),
    ],
)
def test_a_refusal_counts_in_english(labels, words):
    run = PredictedRun(np.zeros((4, 1)), np.zeros((4, 1)), np.array(labels))
    assert wording.too_few(exchange_of_runs([run], "time"), "time").startswith(words)
