"""Tracks through a film: begun, confirmed, lost, found again and ended."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tristream.features.spaces.tracked_objects.associate import Weights, assign, costs
from tristream.features.spaces.tracked_objects.detect import Detections
from tristream.features.spaces.tracked_objects.kalman import BoxFilter

CONFIRM = 3
"""Detections that make a track."""
PATIENCE = 2
"""Frames without a detection after which a track that is not confirmed is given up."""
MEMORY_OF_LOOKS = 0.8
"""Share of the old in the running average of what a track looks like."""


@dataclass(frozen=True)
class State:
    """One track in one frame.

    Attributes
    ----------
    box : ndarray (4,)
        Centre x, centre y, width, height in pixels.
    velocity : ndarray (4,)
        Their changes per second.
    age : float
        Seconds since the track's first detection.
    """

    box: np.ndarray
    velocity: np.ndarray
    age: float


Frame = dict[int, State]
"""The tracks of a frame by their numbers."""


@dataclass
class _Track:
    number: int
    filter: BoxFilter
    looks: np.ndarray
    first: int
    states: dict[int, State] = field(default_factory=dict)
    last: int = -1
    hits: int = 0
    confirmed: bool = False
    ended: bool = False


class Tracker:
    """Follows objects from frame to frame.

    A frame comes out some frames after it went in: then it is known whether a track was
    confirmed later, or found again. Gaps are filled between the detections on either side of
    them; a track ends at its last detection.

    Parameters
    ----------
    fps : float
        Frames per second.
    memory : float
        Seconds after which a track without a detection is ended.
    weights : Weights
        How looks and distance are weighed.
    """

    def __init__(self, fps: float, memory: float, weights: Weights | None = None) -> None:
        self._step = 1 / fps
        self._memory = max(round(memory * fps), 1)
        self._weights = weights or Weights()
        self._lag = max(self._memory, CONFIRM * (PATIENCE + 1)) + 1
        self._tracks: list[_Track] = []
        self._begun = 0
        self._now = -1
        self._given = 0

    def step(self, found: Detections, embeddings: np.ndarray) -> Iterator[Frame]:
        """Take the next frame; give the frame about which no more will be learnt, if any.

        Parameters
        ----------
        found : Detections
            What is in the frame.
        embeddings : ndarray (n, d)
            What the detections look like, unit vectors.
        """
        self._now += 1
        boxes = np.asarray(found.boxes, np.float64).reshape(-1, 4).copy()
        boxes[:, :2] += boxes[:, 2:] / 2
        alive = [track for track in self._tracks if not track.ended]
        pairs = self._associate(alive, boxes, embeddings)
        for i, j in pairs:
            self._see(alive[i], boxes[j], embeddings[j])
        for j in sorted(set(range(len(boxes))) - {j for _, j in pairs}):
            self._begin(boxes[j], embeddings[j])
        for track in alive:
            missed = self._now - track.last
            track.ended = missed > (self._memory if track.confirmed else PATIENCE)
        if self._now >= self._lag:
            yield self._give()

    def finish(self) -> Iterator[Frame]:
        """Give the frames that are left when the film has ended."""
        while self._given <= self._now:
            yield self._give()

    def _associate(
        self, alive: list[_Track], boxes: np.ndarray, embeddings: np.ndarray
    ) -> list[tuple[int, int]]:
        expected = [track.filter.predict() for track in alive]
        if not alive or not len(boxes):
            return []
        known = np.stack([track.looks for track in alive])
        return assign(costs(expected, known, boxes, embeddings, self._weights))

    def _begin(self, box: np.ndarray, looks: np.ndarray) -> None:
        track = _Track(self._begun, BoxFilter(box, self._step), looks, self._now)
        self._begun += 1
        self._tracks.append(track)
        self._note(track)

    def _see(self, track: _Track, box: np.ndarray, looks: np.ndarray) -> None:
        track.filter.update(box)
        mixed = MEMORY_OF_LOOKS * track.looks + (1 - MEMORY_OF_LOOKS) * looks
        track.looks = mixed / max(float(np.linalg.norm(mixed)), 1e-12)
        self._note(track)

    def _note(self, track: _Track) -> None:
        """Store the state of this frame, and of the frames between the last detection and it."""
        age = (self._now - track.first) * self._step
        now = State(track.filter.box, track.filter.velocity, age)
        before = track.states.get(track.last)
        if before is not None:
            for frame in range(track.last + 1, self._now):
                part = (frame - track.last) / (self._now - track.last)
                track.states[frame] = _between(before, now, part)
        track.states[self._now] = now
        track.last = self._now
        track.hits += 1
        track.confirmed = track.confirmed or track.hits >= CONFIRM

    def _give(self) -> Frame:
        frame = {
            track.number: track.states.pop(self._given)
            for track in self._tracks
            if track.confirmed and self._given in track.states
        }
        self._given += 1
        self._tracks = [
            track for track in self._tracks if not track.ended or track.last >= self._given
        ]
        return frame


def _between(before: State, after: State, part: float) -> State:
    return State(
        before.box + part * (after.box - before.box),
        before.velocity + part * (after.velocity - before.velocity),
        before.age + part * (after.age - before.age),
    )
