"""The leakage audit finds copies of a real film, however disguised, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from helpers.stimuli_clips import RATE, drawn, write_film
from tristream.config.leakage import Leakage
from tristream.config.settings.stimuli import LeakageSettings
from tristream.errors import UserError
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.media.films import frames
from tristream.media.librosa_loader import load_librosa
from tristream.media.sounds import read_sound
from tristream.stimuli import audio_prints, frame_prints
from tristream.stimuli.audit_methods import LIKENESSES
from tristream.stimuli.compare_clips import Clip, Finding, alike, dropped, near_in_media
from tristream.stimuli.leakage import audit
from tristream.stimuli.parts import LOWEST_CONTRAST, SIZE, Part
from tristream.stimuli.sequences import (
    TRAIN_RATE,
    Bools,
    Floats,
    Likeness,
    cut,
    search,
    unit_rows,
)
from tristream.stimuli.tables import Inventory, LeakageTable, Splits, StimulusFile
from tristream.store import Provenance

WIDTH, HEIGHT = 192, 108
START, LENGTH = 36, 12


def same(threshold: float) -> Likeness:
    return Likeness([("as it is", lambda x: x, lambda x: x)], threshold, (0, 0))


@pytest.fixture(scope="module")
def excerpt(film: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Pictures and sound of 24 s of the real film, from 36 s on."""
    pictures = []
    for time, picture in frames(film, size=(WIDTH, HEIGHT)):
        if time >= START + 2 * LENGTH:
            break
        if time >= START:
            pictures.append(picture)
    return pictures, read_sound(film, RATE, START, START + 2 * LENGTH)


def part(
    excerpt: tuple[list[np.ndarray], np.ndarray], start: float, stop: float
) -> tuple[list[np.ndarray], np.ndarray]:
    pictures, sound = excerpt
    return (
        pictures[round(start * 24) : round(stop * 24)],
        sound[round(start * RATE) : round(stop * RATE)],
    )


def cropped(picture: np.ndarray) -> np.ndarray:
    """5 % of each dimension cut away."""
    x, y = round(WIDTH * 0.025), round(HEIGHT * 0.025)
    return cv2.resize(picture[y : HEIGHT - y, x : WIDTH - x], (WIDTH, HEIGHT))


def part_of(left: float, top: float, width: float, height: float) -> Callable:
    """A part of a picture, scaled to its size."""

    def cut(picture: np.ndarray) -> np.ndarray:
        rows = slice(round(top * HEIGHT), round((top + height) * HEIGHT))
        columns = slice(round(left * WIDTH), round((left + width) * WIDTH))
        return cv2.resize(picture[rows, columns], (WIDTH, HEIGHT))

    return cut


def bars(width: int, height: int) -> Callable:
    """A picture of this size in the middle of a black one."""

    def framed(picture: np.ndarray) -> np.ndarray:
        out = np.zeros_like(picture)
        left, top = (WIDTH - width) // 2, (HEIGHT - height) // 2
        out[top : top + height, left : left + width] = cv2.resize(picture, (width, height))
        return out

    return framed


FRAMINGS: dict[str, Callable] = {
    "70 % of each side": part_of(0.15, 0.15, 0.7, 0.7),
    "70 % of each side, corner": part_of(0.3, 0.0, 0.7, 0.7),
    "30 % of the area": part_of(0.3, 0.15, 0.55, 0.55),
    "4:3 of 16:9": part_of(0.125, 0.0, 0.75, 1.0),
    "4:3 of 16:9, off-centre": part_of(0.22, 0.0, 0.75, 1.0),
    "squeezed to 4:3": lambda picture: cv2.resize(picture, (144, HEIGHT)),
    "letterbox": bars(WIDTH, 80),
    "pillarbox": bars(144, HEIGHT),
    "mirrored and cropped": lambda picture: part_of(0.2, 0.1, 0.7, 0.7)(picture)[:, ::-1],
}


def test_films_in_other_frames_are_found_and_others_are_not(
    excerpt: tuple[list[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    pictures, _ = part(excerpt, 0, LENGTH)
    others, _ = part(excerpt, LENGTH, 2 * LENGTH)
    write_film(tmp_path / "clip.mp4", pictures)
    for name, frame in FRAMINGS.items():
        write_film(tmp_path / f"{name}.mp4", [frame(p) for p in pictures], crf=30)
        write_film(tmp_path / f"other, {name}.mp4", [frame(p) for p in others], crf=30)
    training = [*FRAMINGS, *(f"other, {name}" for name in FRAMINGS)]
    # Whichever of the two is the copy.
    for table, side in (
        (audit_of(tmp_path, training, ["clip"]).table, "train"),
        (audit_of(tmp_path, ["clip"], training).table, "test"),
    ):
        assert set(table[side]) == set(FRAMINGS)
        assert set(table["check"]) == {"picture"}
        assert (table.groupby(side)["seconds"].sum() >= 6).all()


@pytest.fixture(scope="module")
def planted(excerpt: tuple[list[np.ndarray], np.ndarray], tmp_path_factory) -> Path:
    """A folder: a test clip, disguised copies of it, and films that have nothing of it."""
    root = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(0)
    pictures, sound = part(excerpt, 0, LENGTH)
    noise = rng.normal(0, 0.1, LENGTH * RATE)
    grain = [rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(48)] * 6
    black = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * (LENGTH * 24)
    write_film(root / "clip.mp4", pictures, sound)
    write_film(root / "reencoded.mp4", pictures, noise, crf=36)
    write_film(root / "cropped.mp4", [cropped(p) for p in pictures], noise)
    write_film(root / "mirrored.mp4", [p[:, ::-1] for p in pictures], noise)
    write_film(root / "shifted.mp4", part(excerpt, 0.3, LENGTH)[0], noise)
    for semitones in (-2, -1, 1, 2):
        pitched = load_librosa().effects.pitch_shift(sound, sr=RATE, n_steps=semitones)
        write_film(root / f"pitched{semitones:+d}.mp4", black, pitched)
    write_film(root / "resounded.mp4", black, sound * 0.3, crf=36)
    write_film(root / "elsewhere.mp4", *part(excerpt, LENGTH, 2 * LENGTH))
    write_film(root / "noise.mp4", grain, noise)
    write_film(root / "black.mp4", black, 0 * noise)
    return root


def audit_of(root: Path, train: list[str], test: list[str], action: str = "warn") -> LeakageTable:
    """Audit whole films of `root`, each shown in a run of its own name."""
    names = [*train, *test]
    rows = [
        {
            "timeline": "main", "run": name, "trial": 1, "onset": 5.0, "duration": 11.5,
            "stimulus": name, "kind": "film", "media_start": 0.0, "item": name, "label": np.nan,
            "unit": np.nan, "keep": True,
        }
        for name in names
    ]  # fmt: skip
    splits = pd.DataFrame(
        {
            "timeline": "main",
            "run": names,
            "split": ["train"] * len(train) + ["test"] * len(test),
            "repeat": [None] * len(train) + ["test1"] * len(test),
        }
    )
    files = tuple(FetchedFile(f"{n}.mp4", None) for n in names)
    receipt = Receipt("d", None, {}, "", root, "d", "", files, False)
    stimuli = tuple(StimulusFile(n, "film", f"{n}.mp4", n, 12.0) for n in names)
    leakage = Leakage(action=action)  # type: ignore[arg-type]
    quiet = Provenance("inventory", False)
    return audit(
        LeakageSettings(dataset="d", leakage=leakage, known_leaks=[], sharing={}),
        Inventory(root / "inventory.tsv", pd.DataFrame(rows), stimuli, quiet),
        Splits(root / "splits.tsv", splits, quiet),
        receipt,
        root / "leakage.tsv",
    )


LOOKS = ["reencoded", "cropped", "mirrored", "shifted"]
SOUNDS = ["pitched-2", "pitched-1", "pitched+1", "pitched+2", "resounded"]
OTHERS = ["elsewhere", "noise", "black"]


def test_all_planted_copies_are_found_and_nothing_else(planted: Path) -> None:
    result = audit_of(planted, [*LOOKS, *SOUNDS, *OTHERS], ["clip"])
    table = result.table
    assert set(table["train"]) == {*LOOKS, *SOUNDS}
    assert set(table.loc[table["check"] == "picture", "train"]) == set(LOOKS)
    assert set(table.loc[table["check"] == "sound", "train"]) == set(SOUNDS)
    assert (table["score"] >= table["threshold"]).all()
    assert (table.groupby("train")["seconds"].sum() >= 6).all()
    notes = table.set_index("train")["note"]
    assert "mirrored" in str(notes["mirrored"])
    assert "+2 semitones" in str(notes["pitched+2"])
    shift = table.loc[table["train"] == "shifted", "test_start"].iloc[0]
    shift -= table.loc[table["train"] == "shifted", "train_start"].iloc[0]
    assert shift == pytest.approx(0.3, abs=1 / 8)
    assert result.drop == []


def test_drop_and_error(planted: Path) -> None:
    dropped_too = audit_of(planted, ["mirrored", "elsewhere"], ["clip"], "drop")
    assert set(dropped_too.table["action"]) == {"drop"}
    [interval] = dropped_too.drop
    assert (interval["timeline"], interval["run"]) == ("main", "clip")
    assert interval["start"] == pytest.approx(5.0, abs=1.0)
    # to the end of the response to the clip's end
    assert interval["end"] == pytest.approx(5.0 + 11.5 + 10.0, abs=1.0)
    with pytest.raises(UserError, match=r"picture: clip .* mirrored"):
        audit_of(planted, ["mirrored"], ["clip"], "error")
    assert audit_of(planted, ["elsewhere"], ["clip"], "error").table.empty


def clips_of_film(seconds: float) -> list[Clip]:
    """The film cut into clips of 10 s, each a run and as if it were a film of its own."""
    return [
        Clip(f"run-{n}", "each", "bbb", f"clip-{n}", "film", 10.0 * n, 10.0 * n + 10.0, 0.0)
        for n in range(int(seconds // 10))
    ]


@pytest.mark.parametrize(("check", "lax"), [("picture", 0.6), ("sound", 0.4)])
def test_false_alarms_on_the_real_film(check: str, lax: float, film: Path) -> None:
    """24 disjoint clips of the film, neighbours too: at most 1 % of pairs; a lax threshold fails.

    The whole film: benchmarks/leakage.py.
    """
    clips, likeness = clips_of_film(240.0), LIKENESSES[check]
    if check == "picture":
        shown = takewhile(
            lambda at: at[0] < 240,
            frames(film, size=(SIZE, SIZE), format="gray", fps=TRAIN_RATE),
        )
        pictures = np.array([picture for _, picture in shown])
        printed = pictures, pictures.std(axis=(1, 2)) > LOWEST_CONTRAST
    else:
        printed = audio_prints.sound_prints(film)
    prints = {clip.media: printed for clip in clips}
    found, counts = alike(clips, prints, check, replace(likeness, threshold=lax), 20.0)
    assert counts["clip_pairs"] == 24 * 23 // 2
    # Windows of 4 s begin each second of the test side, each 1/8 s of the training side.
    assert counts["window_pairs"] > 0.3 * (24 * 7) * (24 * 49) * len(likeness.variants)

    def rate(threshold: float) -> float:
        pairs = {(f.train, f.test) for f in found if f.score >= threshold}
        return len(pairs) / counts["clip_pairs"]

    assert rate(likeness.threshold) <= 0.01
    assert rate(lax) > 0.01


def random_prints(seconds: int, seed: int) -> tuple[Floats, Bools]:
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.normal(size=(seconds * TRAIN_RATE, 20)), axis=0)
    return unit_rows(values.astype(np.float32)), np.ones(len(values), bool)


def test_search_finds_the_offset() -> None:
    train, test = random_prints(60, 0), random_prints(30, 1)
    test[0][80:160] = train[0][201:281]
    hits, compared = search(cut(*test, [(0, 0, 30)]), cut(*train, [(0, 0, 60)]), same(0.95))
    assert compared > 0
    assert {round(h.train_time - h.test_time, 3) for h in hits} == {(201 - 80) / TRAIN_RATE}
    assert min(h.test_time for h in hits) == 10.0


def test_still_or_empty_windows_are_no_copies() -> None:
    still = unit_rows(np.ones((30 * TRAIN_RATE, 20), np.float32)), np.ones(30 * TRAIN_RATE, bool)
    values, _ = random_prints(30, 0)
    empty = values, np.zeros(len(values), bool)
    for prints in (still, empty):
        both = cut(*prints, [(0, 0, 30)])
        hits, compared = search(both, both, same(0.5))
        assert hits == []
        assert compared == 0


def test_windows_stay_within_a_clip() -> None:
    values, informative = random_prints(60, 0)
    # 3 s each: no window of 4 s fits.
    short = cut(values, informative, [(n, 3.0 * n, 3.0 * n + 3.0) for n in range(20)])
    assert search(short, short, same(0.5)) == ([], 0)


def clip(run: str, split: str, start: float, stop: float, kind: str = "film") -> Clip:
    return Clip(run, split, "bbb", "sha", kind, start, stop, onset=8.0)


@pytest.mark.parametrize(
    ("train", "check", "score", "test_start", "seconds"),
    [
        ((0, 100), "overlap", 20.0, 8.0, 40.0),
        ((90, 95), "overlap", 5.0, 8.0, 35.0),
        ((125, 160), "gap", 5.0, 8.0 + 25.0, 15.0),
        ((139, 160), "gap", 19.0, 8.0 + 39.0, 1.0),
        ((0, 70), "gap", 10.0, 8.0, 10.0),
    ],
)
def test_overlap_and_gap(
    train: tuple[float, float], check: str, score: float, test_start: float, seconds: float
) -> None:
    [finding] = near_in_media([clip("a", "train", *train), clip("b", "test", 80, 120)], 20.0)
    assert (finding.check, finding.score) == (check, score)
    assert (finding.test_start, finding.seconds) == (test_start, seconds)


def test_clips_beyond_the_minimum_gap_are_apart() -> None:
    near = [clip("a", "train", 140, 160), clip("b", "test", 80, 120), clip("c", "test", 80, 120)]
    assert near_in_media(near, 20.0) == []
    assert len(near_in_media(near, 25.0)) == 2


def test_an_image_in_training_and_test() -> None:
    images = [clip("a", "train", 0, 0, "image"), clip("b", "test", 0, 0, "image")]
    [finding] = near_in_media(images, 20.0)
    assert finding.check == "overlap"
    assert dropped([finding], {"a": "train", "b": "test"}, 10.0) == [
        {"run": "b", "start": 8.0, "end": 18.0}
    ]


def test_leave_one_run_out_compares_all_pairs_of_runs_once() -> None:
    clips = [clip(run, "each", 0, 30) for run in "abc"]
    found = near_in_media(clips, 20.0)
    assert [(f.train, f.test) for f in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    drop = dropped(found, dict.fromkeys("abc", "each"), 10.0)
    assert drop == [{"run": run, "start": 8.0, "end": 48.0} for run in "abc"]


def test_dropped_intervals_are_merged() -> None:
    def finding(start: float, seconds: float) -> Finding:
        return Finding("picture", "a", "b", 0.0, start, seconds, seconds, 1.0, 0.6, "")

    findings = [finding(0.0, 5.0), finding(12.0, 3.0), finding(60.0, 4.0)]
    assert dropped(findings, {"a": "train", "b": "test"}, 10.0) == [
        {"run": "b", "start": 0.0, "end": 25.0},
        {"run": "b", "start": 60.0, "end": 74.0},
    ]


def test_prints_are_unmoved_by_brightness_and_loudness(tmp_path: Path) -> None:
    pictures = drawn(60)
    rng = np.random.default_rng(0)
    sound = 0.3 * np.sin(2 * np.pi * np.cumsum(rng.uniform(300, 900, 25).repeat(RATE // 10)) / RATE)
    loud = write_film(tmp_path / "loud.mp4", pictures, sound)
    dim = write_film(
        tmp_path / "dim.mp4", [(p * 0.6).astype(np.uint8) for p in pictures], sound / 8
    )
    readers: list[Callable[[Path], Floats]]
    readers = [
        lambda path: Part()(frame_prints.frame_prints(path)[0]),
        lambda path: audio_prints.sound_prints(path)[0],
    ]
    for read in readers:
        a, b = read(loud), read(dim)
        n = min(len(a), len(b))
        assert (unit_rows(a[:n]) * unit_rows(b[:n])).sum(1).min() > 0.9
