"""Compare clips: what of the test stimuli was in the training stimuli, or close to it.

Three checks: `overlap` (the same part of one film or sound, or the same image, in
training and test), `gap` (parts of one film closer than the minimum gap: neighbouring moments are
correlated), and `picture` / `sound` (intervals that look or sound like a copy, and images that do,
whatever their files are called; see `sequences` and `image_prints`). All work on clips and prints;
files are read by `tristream.stimuli.leakage`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from tristream.stimuli import image_prints
from tristream.stimuli.image_prints import ImagePrint
from tristream.stimuli.sequences import (
    WINDOW_SECONDS,
    Bools,
    Hit,
    Likeness,
    Prints,
    Values,
    cut,
    join,
    search,
)

# Hits whose offset between test and training differs by less belong to one finding (s).
SAME_OFFSET = 1.0
# Hits further apart in the test clip are findings of their own (s).
PAUSE = 2.0


@dataclass(frozen=True)
class Clip:
    """A part of one stimulus as a run shows it.

    Attributes
    ----------
    run : str
    split : str
        ``train``, ``test`` or ``each``.
    stimulus : str
        Name in the stimulus table.
    media : str
        Identity of the file's content (sha256), so that two names of one film are one.
    kind : str
        ``film``, ``sound`` or ``image``.
    start, stop : float
        Seconds of media time; 0 for images.
    onset : float
        Second of the run at which it begins.
    """

    run: str
    split: str
    stimulus: str
    media: str
    kind: str
    start: float
    stop: float
    onset: float

    @property
    def segment(self) -> tuple[str, float, float]:
        """What is shown, wherever it is shown."""
        return self.media, round(self.start, 3), round(self.stop, 3)

    def run_time(self, media_time: float) -> float:
        """Second of the run at which a media time is shown."""
        return self.onset + media_time - self.start


@dataclass(frozen=True)
class Finding:
    """One thing that a test stimulus shares with a training stimulus.

    Times are seconds of the runs. `score` and `threshold` are in the check's own unit: seconds for
    ``overlap`` and ``gap``, correlation for ``picture`` and ``sound``, accuracy for ``order``.
    `train_seconds` is how long it lasts in the training run.
    """

    check: str
    train: str
    test: str
    train_start: float
    test_start: float
    seconds: float
    train_seconds: float
    score: float
    threshold: float
    note: str


def pairs(clips: Sequence[Clip]) -> Iterator[tuple[Clip, Clip]]:
    """(training clip, test clip) of all pairs of runs that the splits hold apart.

    Under leave-one-run-out each pair of runs is named once, the earlier as training.
    """
    train = [c for c in clips if c.split == "train"]
    test = [c for c in clips if c.split == "test"]
    yield from product(train, test)
    each = [c for c in clips if c.split == "each"]
    yield from ((a, b) for a, b in combinations(each, 2) if a.run != b.run)


def near_in_media(clips: Sequence[Clip], minimum_gap: float) -> list[Finding]:
    """Overlaps, and clips of one film or sound that are closer than `minimum_gap` seconds."""
    found = []
    for train, test in pairs(clips):
        if train.media != test.media:
            continue
        if train.kind == "image":
            found.append(_same_image(train, test))
        elif _gap(train, test) < minimum_gap:
            found.append(_near(train, test, minimum_gap))
    return found


def alike(
    clips: Sequence[Clip],
    prints: Mapping[str, tuple[Values, Bools]],
    check: str,
    likeness: Likeness,
    minimum_gap: float,
) -> tuple[list[Finding], dict[str, int]]:
    """Intervals of training clips that look or sound like a test clip.

    Parameters
    ----------
    clips : list of Clip
    prints : dict of media to (values, informative)
        Clips of other media are left out.
    check : {"picture", "sound"}
    likeness : Likeness
        Of `frame_prints` or `audio_prints`.
    minimum_gap : float
        Parts of one film that are closer than this are found by :func:`near_in_media`.

    Returns
    -------
    findings : list of Finding
    counts : dict
        ``clip_pairs`` (of runs held apart), ``window_pairs`` compared, ``too_short`` clips
        without a whole window.
    """
    shown = [c for c in clips if c.media in prints]
    too_short = [c for c in shown if c.stop - c.start < WINDOW_SECONDS]
    # What several runs show is compared once.
    test = _segments([c for c in shown if c.split != "train"])
    train = _segments([c for c in shown if c.split != "test"])
    counts = {"clip_pairs": sum(1 for _ in pairs(shown)), "too_short": len(too_short)}
    if not test or not train:
        return [], counts | {"window_pairs": 0}
    sides = [join(list(_cuts(side, prints))) for side in (test, train)]
    hits, counts["window_pairs"] = search(sides[0], sides[1], likeness)
    hits = [h for h in hits if not _known(h, test, train, minimum_gap)]
    by_segment: dict[tuple[str, float, float], list[Clip]] = {}
    for clip in shown:
        by_segment.setdefault(clip.segment, []).append(clip)
    order = {clip.run: n for n, clip in reversed(list(enumerate(shown)))}
    found = []
    for group in _grouped(hits):
        showings = product(
            by_segment[train[group[0].train_segment]], by_segment[test[group[0].test_segment]]
        )
        found += [
            _alike(group, a, b, check, likeness.threshold)
            for a, b in showings
            if _apart(a, b, order)
        ]
    return found, counts


def alike_images(
    clips: Sequence[Clip], prints: Mapping[str, ImagePrint]
) -> tuple[list[Finding], dict[str, int]]:
    """Test images that are copies of training images, whatever their files.

    Parameters
    ----------
    clips : list of Clip
    prints : dict of media to ImagePrint
        Images of other media are left out.

    Returns
    -------
    findings : list of Finding
        One for each pair of showings.
    counts : dict
        ``image_pairs`` that were compared.
    """
    shown = [c for c in clips if c.media in prints]
    test, train = (
        {c.media: prints[c.media] for c in shown if c.split != other} for other in ("train", "test")
    )
    copies, compared = image_prints.copies(test, train)
    pairs_of: dict[tuple[str, str], list[tuple[Clip, Clip]]] = {}
    for a, b in pairs(shown) if copies else ():
        pairs_of.setdefault((a.media, b.media), []).append((a, b))
    found = []
    for copy in copies:
        here = pairs_of.get((copy.train, copy.test), [])
        # Where runs are left out in turn, either image may be the one that is shown first.
        if any(a.split == "each" for a, _ in here) or not here:
            here = here + pairs_of.get((copy.test, copy.train), [])
        found += [_copied_image(a, b, copy) for a, b in here]
    return found, {"image_pairs": compared}


def dropped(findings: Sequence[Finding], splits: Mapping[str, str], tail: float) -> list[dict]:
    """Seconds of test runs that findings concern: list of run, start, end, merged.

    Parameters
    ----------
    findings : list of Finding
    splits : dict of run to split
        Under leave-one-run-out both runs of a finding are tested on, so both lose the interval.
    tail : float
        Seconds added at the end: the response outlasts the stimulus.
    """
    segments: dict[str, list[tuple[float, float]]] = {}
    for f in findings:
        sides = [(f.test, f.test_start, f.seconds)]
        if splits.get(f.train) == "each":
            sides.append((f.train, f.train_start, f.train_seconds))
        for run, start, seconds in sides:
            segments.setdefault(run, []).append((start, start + seconds + tail))
    out = []
    for run in sorted(segments):
        for start, end in _merged(segments[run]):
            out.append({"run": run, "start": round(start, 3), "end": round(end, 3)})
    return out


def _same_image(train: Clip, test: Clip) -> Finding:
    alias = f" as {train.stimulus}" if train.stimulus != test.stimulus else ""
    note = f"image {test.stimulus} is in training{alias}"
    return _image("overlap", train, test, 1.0, 1.0, note)


def _copied_image(train: Clip, test: Clip, copy: image_prints.Copy) -> Finding:
    note = f"image {test.stimulus} is a copy of {train.stimulus} in training ({copy.way})"
    return _image("picture", train, test, copy.score, image_prints.THRESHOLD, note)


def _image(
    check: str, train: Clip, test: Clip, score: float, threshold: float, note: str
) -> Finding:
    """An image that both sides show, which has no length in time."""
    return Finding(
        check=check,
        train=train.run,
        test=test.run,
        train_start=train.onset,
        test_start=test.onset,
        seconds=0.0,
        train_seconds=0.0,
        score=score,
        threshold=threshold,
        note=note,
    )


def _near(train: Clip, test: Clip, minimum_gap: float) -> Finding:
    """What of each clip lies within `minimum_gap` of the other."""
    gap = _gap(train, test)
    test_from = max(test.start, train.start - minimum_gap)
    test_to = min(test.stop, train.stop + minimum_gap)
    from_ = max(train.start, test.start - minimum_gap)
    to = min(train.stop, test.stop + minimum_gap)
    overlaps = gap < 0
    return Finding(
        check="overlap" if overlaps else "gap",
        train=train.run,
        test=test.run,
        train_start=train.run_time(from_),
        test_start=test.run_time(test_from),
        seconds=test_to - test_from,
        train_seconds=to - from_,
        score=-gap if overlaps else gap,
        threshold=0.0 if overlaps else minimum_gap,
        note=f"{_named(train)} in training, {_named(test)} in test: "
        + (f"{-gap:.1f} s are the same" if overlaps else f"{gap:.1f} s apart"),
    )


def _gap(a: Clip, b: Clip) -> float:
    """Seconds of media time between two clips; negative: so much is in both."""
    return max(a.start, b.start) - min(a.stop, b.stop)


def _named(clip: Clip) -> str:
    return f"{clip.stimulus} {clip.start:.1f}-{clip.stop:.1f} s"


Segment = tuple[str, float, float]


def _segments(clips: Sequence[Clip]) -> list[Segment]:
    return list(dict.fromkeys(c.segment for c in clips))


def _cuts(
    segments: Sequence[Segment], prints: Mapping[str, tuple[Values, Bools]]
) -> Iterator[Prints]:
    for number, (media, start, stop) in enumerate(segments):
        yield cut(*prints[media], [(number, start, stop)])


def _known(hit: Hit, test: Sequence[Segment], train: Sequence[Segment], minimum_gap: float) -> bool:
    same = test[hit.test_segment][0] == train[hit.train_segment][0]
    return same and abs(hit.test_time - hit.train_time) < minimum_gap + WINDOW_SECONDS


def _apart(train: Clip, test: Clip, order: Mapping[str, int]) -> bool:
    """Whether the splits hold two showings apart (leave-one-run-out: named once)."""
    if train.split == "each":
        return order[train.run] < order[test.run]
    return True


def _grouped(hits: Sequence[Hit]) -> Iterator[list[Hit]]:
    """Hits of one pair of segments that follow each other at one offset."""
    waiting = sorted(
        hits, key=lambda h: (h.test_segment, h.train_segment, h.test_time, -h.score, h.train_time)
    )
    groups: list[list[Hit]] = []
    open_groups: list[list[Hit]] = []
    for hit in waiting:
        open_groups = [g for g in open_groups if _may_continue(g[-1], hit)]
        home = next((g for g in open_groups if _offset_apart(g[0], hit) <= SAME_OFFSET), None)
        if home is None:
            home = []
            groups.append(home)
            open_groups.append(home)
        home.append(hit)
    yield from groups


def _may_continue(last: Hit, hit: Hit) -> bool:
    here = (last.test_segment, last.train_segment) == (hit.test_segment, hit.train_segment)
    return here and hit.test_time - last.test_time <= PAUSE


def _offset_apart(a: Hit, b: Hit) -> float:
    return abs((a.test_time - a.train_time) - (b.test_time - b.train_time))


def _alike(group: Sequence[Hit], train: Clip, test: Clip, check: str, threshold: float) -> Finding:
    best = max(group, key=lambda h: h.score)
    test_from = group[0].test_time
    seconds = group[-1].test_time - test_from + WINDOW_SECONDS
    train_from = test_from - (best.test_time - best.train_time)
    return Finding(
        check=check,
        train=train.run,
        test=test.run,
        train_start=train.run_time(train_from),
        test_start=test.run_time(test_from),
        seconds=seconds,
        train_seconds=seconds,
        score=best.score,
        threshold=threshold,
        note=f"{train.stimulus} from {train_from:.1f} s resembles {test.stimulus} from "
        f"{test_from:.1f} s ({best.variant})",
    )


def _merged(segments: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    out: list[tuple[float, float]] = []
    for start, end in sorted(segments):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out
