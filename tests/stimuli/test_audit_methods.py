"""The audit's sentences say what was compared, and nothing that was not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tristream.config.leakage import Leakage
from tristream.config.settings.stimuli import LeakageSettings
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.stimuli.audit_methods import media_sentences, order_sentences
from tristream.stimuli.compare_clips import Finding
from tristream.stimuli.leakage import audit
from tristream.stimuli.tables import Inventory, Splits, StimulusFile
from tristream.store import Provenance

QUIET = Provenance("inventory", False)


def events(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    """Rows of (run, kind, what)."""
    return pd.DataFrame(
        [
            {
                "timeline": "main", "run": run, "trial": n, "onset": 10.0 * (n % 4),
                "duration": 5.0, "stimulus": what, "kind": kind, "media_start": np.nan,
                "item": what,
                "label": what if kind == "label" else np.nan, "unit": f"{run}/{n}", "keep": True,
            }
            for n, (run, kind, what) in enumerate(rows)
        ]
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images lie in the working folder: noise, each of its own."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("cat", "dog")):
        noise = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(noise).save(f"{name}.png")


def methods(
    rows: list[tuple[str, str, str]],
    files: tuple[StimulusFile, ...] = (),
    splits: dict[str, str] | None = None,
    action: str = "warn",
    known: tuple[str, ...] = (),
) -> str:
    """Sentences of the audit of some events."""
    splits = splits or {"a": "train", "b": "test"}
    table = pd.DataFrame(
        {"timeline": "main", "run": list(splits), "split": list(splits.values()), "repeat": None}
    )
    settings = LeakageSettings(
        dataset="d",
        leakage=Leakage.model_validate({"action": action}),
        known_leaks=list(known),
        sharing={"main": 1},
    )
    place = Path("leakage.tsv")
    listed = tuple(FetchedFile(file.path, None) for file in files)
    found = audit(
        settings,
        Inventory(place, events(rows), files, QUIET),
        Splits(place, table, QUIET),
        Receipt("d", None, {}, "", Path(), "d", "", listed, False),
        place,
    )
    return " ".join(found.provenance.methods)


def images(*names: str) -> tuple[StimulusFile, ...]:
    return tuple(StimulusFile(name, "image", f"{name}.png", name * 8) for name in names)


def test_images_are_compared_by_checksum_and_in_picture_never_as_films_are():
    text = methods([("a", "image", "cat"), ("b", "image", "dog")], images("cat", "dog"))
    assert "compared with the training images by the checksum of its file" in text
    assert "1 pair of a test and a training image were also compared in picture" in text
    assert "(none of 499,500 pairs of unrelated images did so" in text
    assert "No test stimulus was found in training." in text
    for lie in ("in picture (", "in sound", "film", "windows", "s apart", "clips of 10 s"):
        assert lie not in text


def test_images_without_files_are_compared_by_name():
    text = methods([("a", "image", "cat"), ("b", "image", "cat")])
    assert "with the training images by name" in text
    assert "checksum" not in text
    assert "in picture" not in text
    assert "1 finding (1 shown in training, too) was kept." in text


def test_what_is_done_with_findings():
    rows = [("a", "image", "cat"), ("b", "image", "cat")]
    text = methods(rows, images("cat"), action="drop")
    assert "was dropped from the test samples, with 10 s after each for the response" in text
    assert "kept" not in text


def test_stimuli_of_test_runs_alone_are_compared_with_nothing():
    text = methods([("a", "label", "rest"), ("b", "image", "dog")], images("dog"))
    assert "compared with" not in text
    assert "No test stimulus was found" not in text
    assert "Leakage was not looked for" in text


def test_labels_alone_are_asked_of_a_classifier_of_time():
    rows = [(run, "label", what) for run in "abcd" for what in ("face", "house", "cat", "shoe")]
    text = methods(rows, splits=dict.fromkeys("abcd", "each"))
    assert "tested with a classifier that knows nothing but the time in the run" in text
    assert "They do: it named 100.0% of the labels (chance" in text
    for lie in ("were compared", "in picture", "checksum", "No test stimulus"):
        assert lie not in text


def test_known_leaks_are_repeated():
    note = "20 of the 50 test images are in ImageNet's training set."
    text = methods(
        [("a", "image", "cat"), ("b", "image", "dog")], images("cat", "dog"), known=(note,)
    )
    assert "Known of the dataset, and not tested here: 20 of the 50 test images" in text


@pytest.mark.parametrize(
    ("senses", "there", "lacking"),
    [
        (["picture", "sound"], ["in picture", "in sound"], []),
        (
            ["picture"],
            [
                "in picture",
                "parts of the other down to 60%",
                "(1 of 1,540 pairs of",
            ],
            ["in sound"],
        ),
        ([], ["checksums"], ["in picture", "in sound", "windows", "unrelated"]),
    ],
)
def test_films_in_the_senses_that_they_have(
    senses: list[str], there: list[str], lacking: list[str]
) -> None:
    text = " ".join(media_sentences({"film"}, (), senses, 0, [], 20.0, None))
    assert all(words in text for words in [*there, "less than 20 s apart"])
    assert not any(words in text for words in [*lacking, "image"])


def test_findings_are_counted_by_check():
    def one(check: str) -> Finding:
        return Finding(check, "a", "b", 0.0, 0.0, 4.0, 4.0, 0.9, 0.65, "")

    found = [one("picture"), one("picture"), one("gap"), one("order")]
    text = media_sentences({"film"}, (), ["picture"], 0, found, 20.0, None)[-1]
    assert text == (
        "3 findings (1 closer to a training clip than the minimum gap and 2 alike in picture) "
        "were kept."
    )


def test_no_p_value_is_claimed_where_there_are_too_few_orders():
    baseline = {
        "accuracy": 0.2, "chance": 0.25, "p": None, "flagged": False, "n_permutations": 1000,
    }  # fmt: skip
    text = " ".join(order_sentences([baseline], None))
    assert "too few orders for a p value" in text
    assert "permutations" not in text
    assert text.endswith("They do not.")
