"""Tracked objects on real people: IDF1 and identity switches, without a gate.

The first 25 seconds of the pedestrian clip of OpenCV's samples, tracked with the offline default
(OpenCV's pedestrian detector) at the clip's 10 frames per second. Every tenth frame was annotated
by eye before the tracker was first run (``tests/data/pedestrians.tsv``); the suppression of nested
windows was added after looking at the first result. Beside it, the same detections followed without
looks and without distance, and the seconds of CPU a frame on one thread.

    python benchmarks/tracking.py
"""

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch

from tristream.config.sources import ArchiveSource
from tristream.features.spaces.tracked_objects import MEMBER, WEIGHTS, TrackingOptions
from tristream.features.spaces.tracked_objects.appearance import Appearance
from tristream.features.spaces.tracked_objects.associate import Weights
from tristream.features.spaces.tracked_objects.detect import Detections, PedestrianDetector
from tristream.features.spaces.tracked_objects.film import sampled_size
from tristream.features.spaces.tracked_objects.tracks import Frame, Tracker
from tristream.fetch.archive import fetch_archive
from tristream.media.films import frames
from tristream.media.media_contents import media_info

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from tracking_scores import scores  # noqa: E402

CLIP = ArchiveSource(
    package="opencv-python",
    version="5.0.0.93",
    sha256="66aac3e5b5faa48d4025816592f3af19e4bfc2c68dec067bae2dbb4ca10aa9e2",
    members=["opencv/samples/data/vtest.avi"],
)
FPS = 10.0
VARIANTS = {
    "looks and distance": Weights(),
    "distance alone": Weights(appearance=0),
    "looks alone": Weights(distance=False),
}


def detect(
    clip: Path, weights: Path, options: TrackingOptions, count: int
) -> Iterator[tuple[Detections, np.ndarray]]:
    """Detections of the first frames, and what they look like."""
    detector, appearance = PedestrianDetector(options.score), Appearance(weights)
    size = sampled_size(clip, options.width)
    for _, image in islice(frames(clip, fps=FPS, size=size), count):
        found = detector(image)
        yield found, appearance(image, found.boxes)


def boxes(tracks: Frame, scale: float) -> dict[int, np.ndarray]:
    """Left, top, width, height in the clip's own pixels."""
    return {
        number: scale * np.concatenate([s.box[:2] - s.box[2:] / 2, s.box[2:]])
        for number, s in tracks.items()
    }


def main() -> None:
    """Track and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("data"), help="cache of downloads")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    clip = fetch_archive(CLIP, args.data)[0] / CLIP.members[0]
    weights = fetch_archive(WEIGHTS, args.data)[0] / MEMBER
    rows = pd.read_csv(TESTS / "data/pedestrians.tsv", sep="\t")
    annotated = sorted(rows["frame"].unique())
    truth = [
        {int(r["id"]): np.array([r["x"], r["y"], r["w"], r["h"]]) for r in part.to_dict("records")}
        for _, part in rows.groupby("frame")
    ]
    options = TrackingOptions(fps=FPS)
    start = time.process_time()
    found = list(detect(clip, weights, options, annotated[-1] + 1))
    seconds = (time.process_time() - start) / len(found)
    print(f"{len(annotated)} frames, {len(rows)} boxes, {rows['id'].nunique()} people")
    print(f"{seconds:.2f} CPU s a frame of {options.width} pixels' width")
    scale = media_info(clip).width / options.width
    for name, variant in VARIANTS.items():
        tracker = Tracker(FPS, options.memory, variant)
        tracked = [frame for one in found for frame in tracker.step(*one)] + [*tracker.finish()]
        result = scores(truth, [boxes(tracked[frame], scale) for frame in annotated])
        print(
            f"{name:<20} IDF1 {result.idf1:.3f}  switches {result.switches}  "
            f"recall {result.recall:.3f}  precision {result.precision:.3f}"
        )


if __name__ == "__main__":
    main()
