"""Correlation with other subjects: a lower bound of the ceiling, and what forbids it."""

import numpy as np
import pytest

from helpers.group_files import autoregressive, film_subjects, held_out, places, write_subject
from helpers.inference_settings import grouping
from tristream.inference.intersubject import correlate_subjects
from tristream.inference.intersubject_file import read_intersubject


def found_in(folder, written, unit="time", timelines=()):
    """From the files of subjects, all of one timeline by default."""
    encodings, samples = ([one[k] for one in written] for k in (0, 2))
    names = [f"{k}" for k in range(len(written))]
    settings = grouping(
        unit, timelines=dict(zip(names, timelines or ["all"] * len(names), strict=True))
    )
    correlate_subjects(encodings, samples, settings, folder / "intersubject.h5", "abc")
    return read_intersubject(folder / "intersubject.h5")


def test_shared_variance_gives_the_correlation_and_a_lower_bound_of_the_ceiling(tmp_path):
    """Of n subjects with a share s in common: r = s / sqrt(s + (1 - s) / (n - 1))."""
    share, subjects = 0.3, 5
    written = film_subjects(tmp_path, subjects, 0, shared=share, volumes=1200)
    found, provenance = found_in(tmp_path, written)
    others = share + (1 - share) / (subjects - 1)
    expected = share / np.sqrt(others)
    assert found.mean.value == pytest.approx(np.full(subjects, expected), abs=0.04)
    assert found.mean.value.max() < np.sqrt(share)
    inside = (found.r.low < expected) & (expected < found.r.high)
    assert 0.9 < inside.mean() < 0.99
    assert found.samples == 1200
    text = " ".join(provenance.methods)
    assert "each of 5 subjects" in text
    assert "a lower bound of the noise ceiling" in text
    assert "over 30 groups of exchange units" in text
    assert provenance.code == "abc"


def test_subjects_without_a_shared_response_have_none(tmp_path):
    written = film_subjects(tmp_path, 3, 1, shared=0.0, volumes=600)
    found, _ = found_in(tmp_path, written)
    assert np.abs(found.mean.value).max() < 0.03
    assert (found.r.low > 0).mean() < 0.06


def subject(folder, name, y, unit, item, names=None, **changes):
    test = held_out("run-1", y, y, unit, item)
    items = [[f"film{k}" for k in item]] if names is None else [names]
    return write_subject(folder, name, {"run-1": test}, items, **changes)


def test_voxels_are_matched_by_their_place(tmp_path):
    rng = np.random.default_rng(2)
    y = autoregressive(rng, (300, 40), 0.3)
    unit, item = np.arange(300) // 20, np.zeros(300, int)
    one = subject(tmp_path, "1", y[:, :30], unit, item, ijk=places(40)[:30])
    two = subject(tmp_path, "2", y[:, 10:][:, ::-1], unit, item, ijk=places(40)[10:][::-1])
    found, _ = found_in(tmp_path, [one, two])
    assert found.ijk.shape == (20, 3)
    assert found.r.value.min() > 0.999


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("alone", "there is 1 subject"),
        ("order", "sub-2 was shown other things in run-1"),
        ("grid", "sub-2 lies on another grid than sub-1"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(change, why, tmp_path):
    rng = np.random.default_rng(3)
    y = autoregressive(rng, (100, 5), 0.3)
    unit, item = np.arange(100) // 20, np.arange(100) // 50
    files = [subject(tmp_path, "1", y, unit, item)]
    if change == "order":
        files.append(subject(tmp_path, "2", y, unit, item[::-1]))
    if change == "grid":
        files.append(subject(tmp_path, "2", y, unit, item, affine=2 * np.eye(4)))
    found, provenance = found_in(tmp_path, files)
    assert found is None
    assert [one.why for one in provenance.omitted] == [why]
    assert why in provenance.methods[0]


def test_what_was_shown_is_known_by_name_and_not_by_number(tmp_path):
    """Numbers of items are those of one subject, whose other runs show other things."""
    y = autoregressive(np.random.default_rng(4), (100, 5), 0.3)
    unit = np.arange(100) // 20
    names = [f"image{k}" for k in unit]
    one = subject(tmp_path, "1", y, unit, unit, names)
    # The same items are numbered otherwise: more were shown in training.
    same = subject(tmp_path, "2", y, unit, unit + 3, names)
    assert found_in(tmp_path, [one, same], "item")[0].mean.value == pytest.approx([1, 1])
    # Others have the same numbers.
    others = subject(tmp_path, "3", y, unit, unit, [f"other{k}" for k in unit])
    found, provenance = found_in(tmp_path, [one, others], "item")
    assert found is None
    assert provenance.omitted[0].why == "sub-3 was shown other things in run-1"


def test_films_of_other_timelines_are_other_films(tmp_path):
    y = autoregressive(np.random.default_rng(5), (100, 5), 0.3)
    written = [subject(tmp_path, k, y, np.arange(100) // 20, np.zeros(100, int)) for k in "12"]
    assert found_in(tmp_path, written)[0] is not None
    found, provenance = found_in(tmp_path, written, timelines=["a", "b"])
    assert found is None
    assert "timelines a, b" in provenance.omitted[0].why
