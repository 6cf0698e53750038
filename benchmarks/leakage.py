"""How often the leakage audit finds disguised copies, and unrelated pictures that are none.

Films: 10 s clips of the demo's film of 596 s, all pairs that are 20 s apart, and the same clips
of the film after it was cropped, given bars or squeezed. Images: the photographs and drawings
among OpenCV's samples (names of pairs that show one scene are printed), or those of a folder
(`--images FOLDER`; measured with the 1,000 images, one a category, of
github.com/EliSchwartz/imagenet-sample-images), against each other and against their copies.

    python benchmarks/leakage.py films
    python benchmarks/leakage.py images --images FOLDER
"""

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tristream.config.sources import ArchiveSource
from tristream.fetch.archive import fetch_archive
from tristream.media.films import frames
from tristream.media.still_images import read_image
from tristream.stimuli import audio_prints, frame_prints
from tristream.stimuli.compare_clips import Clip, alike
from tristream.stimuli.image_prints import FINE, ImagePrint, copies
from tristream.stimuli.parts import SIZE
from tristream.stimuli.sequences import TRAIN_RATE

MEMBER = (
    "docs/_static/medias/getting_started/moviepy_10_minutes/moviepy_10_minutes.zip"
    "!/moviepy_10_minutes/resources/bbb.mp4"
)
FILM = ArchiveSource(
    package="moviepy",
    version="2.2.1",
    sha256="c80cb56815ece94e5e3e2d361aa40070eeb30a09d23a24c4e684d03e16deacb1",
    members=[MEMBER],
)
LENGTH = 10
FULL = (96, 96)
Picture = np.ndarray
Way = Callable[[Picture], Picture]


def part(left: float, top: float, width: float, height: float) -> Way:
    """Cut a part out of a picture."""

    def cut(picture: Picture) -> Picture:
        high, wide = picture.shape[:2]
        rows = slice(round(top * high), round((top + height) * high))
        return picture[rows, round(left * wide) : round((left + width) * wide)]

    return cut


def bars(width: float, height: float) -> Way:
    """Scale a picture to a part of the frame, with black around it."""

    def framed(picture: Picture) -> Picture:
        high, wide = picture.shape[:2]
        size = round(width * wide), round(height * high)
        out = np.zeros_like(picture)
        left, top = (wide - size[0]) // 2, (high - size[1]) // 2
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        out[top : top + size[1], left : left + size[0]] = small
        return out

    return framed


FILM_WAYS: dict[str, Way] = {
    "as it is": lambda p: p,
    "mirrored": lambda p: p[:, ::-1],
    "90 % of each side, centre": part(0.05, 0.05, 0.9, 0.9),
    "80 % of each side, centre": part(0.1, 0.1, 0.8, 0.8),
    "70 % of each side, centre": part(0.15, 0.15, 0.7, 0.7),
    "70 % of each side, corner": part(0.3, 0, 0.7, 0.7),
    "55 % of each side (30 % of the area)": part(0.3, 0.15, 0.55, 0.55),
    "4:3 out of 16:9, centre": part(0.125, 0, 0.75, 1),
    "4:3 out of 16:9, off-centre": part(0.22, 0, 0.75, 1),
    "letterbox (75 % of the height)": bars(1, 0.75),
    "pillarbox (75 % of the width)": bars(0.75, 1),
    "bars on all sides (75 % of both)": bars(0.75, 0.75),
}


def films(cache: Path, minutes: float) -> None:
    """Clips of the film against each other, and against disguised copies of themselves."""
    root, files = fetch_archive(FILM, cache)
    film = root / files[0].path
    count = int(minutes * 6)
    begun = time.process_time()
    full = []
    for moment, frame in frames(film, size=FULL, format="gray", fps=TRAIN_RATE):
        if moment >= count * LENGTH:
            break
        full.append(frame)
    print(f"decoded {len(full) / TRAIN_RATE:.0f} s in {time.process_time() - begun:.0f} CPU s")
    seen = np.array([frame.std() > 6 for frame in full])
    thumbs = {name: squeezed([way(frame) for frame in full]) for name, way in FILM_WAYS.items()}
    likeness = frame_prints.LIKENESS
    whole = thumbs["as it is"], seen
    against_each_other("picture", whole, likeness, count)
    against_each_other("sound", audio_prints.sound_prints(film), audio_prints.LIKENESS, count)
    print(f"{'copy':40s} clips found")
    for name, pictures in thumbs.items():
        found = 0
        for number in range(count):
            start, stop = number * LENGTH, (number + 1) * LENGTH
            pair = [
                Clip("a", "train", "copy", "copy", "film", start, stop, 0.0),
                Clip("b", "test", "film", "film", "film", start, stop, 0.0),
            ]
            prints = {"film": whole, "copy": (pictures, seen)}
            found += bool(alike(pair, prints, "picture", likeness, 20.0)[0])
        print(f"{name:40s} {found} of {count}", flush=True)


def against_each_other(check: str, prints: tuple, likeness, count: int) -> None:
    """False alarms: disjoint clips of one film, as if each were a film of its own."""
    clips = [
        Clip(f"{n}", "each", "film", f"{n}", "film", LENGTH * n, LENGTH * (n + 1), 0.0)
        for n in range(count)
    ]
    begun = time.process_time()
    found, counts = alike(clips, {c.media: prints for c in clips}, check, likeness, 0.0)
    near = {(f.train, f.test) for f in found if abs(int(f.train) - int(f.test)) < 3}
    pairs = {(f.train, f.test) for f in found} - near
    apart = (count - 3) * (count - 2) // 2
    print(
        f"{check}: {len(pairs)} of {apart} pairs of unrelated clips, {counts['window_pairs']:.2e} "
        f"pairs of windows, {time.process_time() - begun:.0f} CPU s; {sorted(pairs)}",
        flush=True,
    )


def squeezed(pictures: list[Picture]) -> Picture:
    size = (SIZE, SIZE)
    return np.array([cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in pictures], np.uint8)


def encoded(quality: int) -> Way:
    def again(picture: Picture) -> Picture:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=quality)
        return np.array(Image.open(file).convert("RGB"))

    return again


def scaled(scale: float) -> Way:
    return lambda p: cv2.resize(p, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


IMAGE_WAYS: dict[str, Way] = {
    "JPEG quality 30": encoded(30),
    "half the size": scaled(0.5),
    "a quarter of the size": scaled(0.25),
    "squeezed into a square": lambda p: cv2.resize(p, (256, 256), interpolation=cv2.INTER_AREA),
    "mirrored": lambda p: p[:, ::-1],
    "80 % of the area, centre": part(0.053, 0.053, 0.894, 0.894),
    "80 % of the area, corner": part(0, 0, 0.894, 0.894),
    "80 % of each side, centre": part(0.1, 0.1, 0.8, 0.8),
    "80 % of each side, corner": part(0.2, 0.2, 0.8, 0.8),
    "80 % of each side, off-centre": part(0.04, 0.13, 0.8, 0.8),
    "80 % of the width": part(0.13, 0, 0.8, 1),
    "off-centre, 0.6 of the size, JPEG 30": lambda p: encoded(30)(
        scaled(0.6)(part(0.16, 0.05, 0.8, 0.8)(p))
    ),
    "70 % of each side, off-centre": part(0.09, 0.21, 0.7, 0.7),
}


def images(folder: Path, most: int) -> None:
    """Images of a folder against each other, and against disguised copies of themselves."""
    found = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in (".jpg", ".jpeg", ".png")]
    pictures = {path.name: read_image(path) for path in found}
    prints = {name: printed(picture) for name, picture in pictures.items()}
    begun = time.process_time()
    false, compared = copies(prints, prints)
    spent = time.process_time() - begun
    print(f"{len(false)} of {compared} pairs of images, {spent:.0f} CPU s", flush=True)
    for one in false:
        print(f"  {one.test} {one.train} {one.score:.2f} {one.way}")
    chosen = list(pictures)[:: max(len(pictures) // most, 1)]
    for name, way in IMAGE_WAYS.items():
        hits = [
            bool(copies({"copy": printed(way(pictures[one]))}, {one: prints[one]})[0])
            for one in chosen
        ]
        print(f"{name:40s} {sum(hits)} of {len(hits)}", flush=True)


def printed(picture: Picture) -> ImagePrint:
    """As `image_print` does it of a file."""
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    sizes = [cv2.resize(grey, (s, s), interpolation=cv2.INTER_AREA) for s in (SIZE, FINE)]
    return ImagePrint(sizes[0], sizes[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["films", "images"])
    parser.add_argument("--cache", type=Path, default=Path("data"))
    parser.add_argument("--minutes", type=float, default=9.8, help="of the film")
    parser.add_argument("--images", type=Path, help="folder of images")
    parser.add_argument("--most", type=int, default=100, help="images of which copies are made")
    args = parser.parse_args()
    if args.what == "films":
        films(args.cache.resolve(), args.minutes)
    else:
        images(args.images, args.most)


if __name__ == "__main__":
    main()
