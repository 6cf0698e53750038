"""Disguised copies of real photographs are found; other photographs, also of one scene, are not."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tristream.media.still_images import read_image
from tristream.stimuli import image_prints
from tristream.stimuli.compare_clips import Clip, alike_images, dropped
from tristream.stimuli.image_prints import ImagePrint, copies, image_print

Picture = np.ndarray
# Scenes of which there are several photographs: other places, other light, other poses.
SCENES = ("aloe", "graf", "leuven", "left", "right", "box")


def printed(folder: Path, name: str, picture: Picture, quality: int | None = None) -> ImagePrint:
    """The print of a picture that was written to a file."""
    path = folder / f"{name}.{'png' if quality is None else 'jpg'}"
    Image.fromarray(np.ascontiguousarray(picture)).save(path, quality=quality or 75)
    found = image_print(path)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def prints(photographs: Path) -> dict[str, ImagePrint]:
    """All photographs."""
    found = {path.stem: image_print(path) for path in sorted(photographs.glob("*.[jp][pn]g"))}
    return {name: one for name, one in found.items() if one is not None}


def part(left: float, top: float, width: float, height: float) -> Callable[[Picture], Picture]:
    def cut(picture: Picture) -> Picture:
        high, wide = picture.shape[:2]
        rows = slice(round(top * high), round((top + height) * high))
        return picture[rows, round(left * wide) : round((left + width) * wide)]

    return cut


def encoded(picture: Picture) -> Picture:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, "JPEG", quality=30)
    return np.array(Image.open(file).convert("RGB"))


def resized(picture: Picture) -> Picture:
    return cv2.resize(picture, (200, 150), interpolation=cv2.INTER_AREA)


DISGUISES: dict[str, Callable[[Picture], Picture]] = {
    "JPEG 30": encoded,
    "resized": resized,
    "80 % of the area": part(0.05, 0.05, 0.894, 0.894),
    "80 % of the area, corner": part(0.106, 0, 0.894, 0.894),
    "80 % of each side": part(0.1, 0.1, 0.8, 0.8),
    "80 % of each side, corner": part(0, 0.2, 0.8, 0.8),
    "80 % of each side, off-centre": part(0.04, 0.13, 0.8, 0.8),
    "80 % of the width": part(0.13, 0, 0.8, 1),
    "mirrored": lambda p: p[:, ::-1],
    "all of it": lambda p: encoded(resized(part(0.16, 0.05, 0.8, 0.8)(p))),
}
ORIGINALS = ("aero1", "baboon", "butterfly", "fruits", "messi5", "starry_night")


@pytest.mark.parametrize("disguise", DISGUISES)
def test_copies_are_found_whichever_of_the_two_is_the_copy(
    disguise: str, photographs: Path, prints: dict[str, ImagePrint], tmp_path: Path
) -> None:
    for name in ORIGINALS:
        picture = read_image(photographs / f"{name}.jpg")
        copy = {"copy": printed(tmp_path, name, DISGUISES[disguise](picture))}
        among_all = copies(copy, prints)[0], copies(prints, copy)[0]
        assert [one.train for one in among_all[0]] == [name]
        assert [one.test for one in among_all[1]] == [name]


def rate_of_false_alarms(prints: dict[str, ImagePrint]) -> tuple[list[tuple[str, str]], int]:
    found, compared = copies(prints, prints)
    return [(one.test, one.train) for one in found], compared


def test_other_photographs_are_no_copies_also_of_one_scene(
    prints: dict[str, ImagePrint], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong, compared = rate_of_false_alarms(prints)
    assert compared == len(prints) * (len(prints) - 1) // 2 > 600
    assert wrong == []
    # Negative control: coarse prints alone, without laying the images over each other, as
    # perceptual hashes are used, take photographs of one scene for copies.
    monkeypatch.setattr(image_prints, "THRESHOLD", -1.0)
    lax, _ = rate_of_false_alarms(prints)
    assert len(lax) > 0.005 * compared
    assert any(a.startswith(scene) and b.startswith(scene) for a, b in lax for scene in SCENES)


def test_uniform_images_are_not_compared(tmp_path: Path) -> None:
    grey = tmp_path / "grey.png"
    Image.fromarray(np.full((90, 120, 3), 128, np.uint8)).save(grey)
    assert image_print(grey) is None


def shown(run: str, split: str, name: str, onset: float) -> Clip:
    return Clip(run, split, name, name, "image", 0.0, 0.0, onset)


def test_every_showing_of_a_copy_is_a_finding(
    photographs: Path, prints: dict[str, ImagePrint], tmp_path: Path
) -> None:
    picture = read_image(photographs / "fruits.jpg")
    media = prints | {"copy": printed(tmp_path, "copy", part(0.1, 0.1, 0.8, 0.8)(picture), 30)}
    clips = [
        shown("a", "train", "fruits", 4.0),
        shown("a", "train", "baboon", 8.0),
        shown("b", "test", "copy", 12.0),
        shown("b", "test", "copy", 40.0),
        shown("b", "test", "messi5", 44.0),
    ]
    found, counts = alike_images(clips, media)
    assert counts == {"image_pairs": 4}
    assert [(f.check, f.train_start, f.test_start) for f in found] == [
        ("picture", 4.0, 12.0),
        ("picture", 4.0, 40.0),
    ]
    assert "image copy is a copy of fruits in training (as it is, cropped)" in found[0].note
    assert dropped(found, {"a": "train", "b": "test"}, 10.0) == [
        {"run": "b", "start": 12.0, "end": 22.0},
        {"run": "b", "start": 40.0, "end": 50.0},
    ]


@pytest.mark.parametrize("order", [("fruits", "copy"), ("copy", "fruits")])
def test_runs_left_out_in_turn(
    order: tuple[str, str], photographs: Path, prints: dict[str, ImagePrint], tmp_path: Path
) -> None:
    picture = read_image(photographs / "fruits.jpg")
    media = prints | {"copy": printed(tmp_path, "copy", part(0.1, 0.1, 0.8, 0.8)(picture))}
    clips = [shown(run, "each", name, 4.0) for run, name in zip("ab", order, strict=True)]
    found, counts = alike_images(clips, media)
    assert counts == {"image_pairs": 1}
    assert [(f.train, f.test) for f in found] == [("a", "b")]
