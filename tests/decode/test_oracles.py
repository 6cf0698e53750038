"""Decoders beside oracles that know what was simulated, and identification as signals grow.

BOLD is simulated: on the events of ds003720 by the simulator's haemodynamics, on the numbers of
images of ds001246 as patterns. The oracle takes the likeliest of the true responses.
"""

import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.spatial.distance import cdist

from helpers.calibration_designs import shipped
from tristream.config.decoders import DecoderDesign
from tristream.decode.decoding import decode
from tristream.decode.feature_decoder import FeatureDecoder, average_showings
from tristream.decode.identification import identify
from tristream.decode.labelled_arrays import labelled
from tristream.encode.estimators import RidgeCV
from tristream.simulate.synthetic.event_responses import SubjectResponses
from tristream.simulate.synthetic.settings import LABEL, SyntheticSettings

DELAY = 5.0


@dataclass(frozen=True)
class Clips:
    """What is measured of each showing of a clip, (showings, voxels), and of what.

    `true` is the answer to what is shown alone, without noise.
    """

    measured: np.ndarray
    true: np.ndarray
    genre: np.ndarray
    item: np.ndarray
    run: np.ndarray

    @property
    def test(self) -> np.ndarray:
        return np.char.find(self.run, "Test") >= 0


def clips(folder: Path, answers: str, features: int, voxels: int, size: float, seed: int) -> Clips:
    """ds003720's clips of one subject.

    Voxels answer genres, or clips, each by a vector of `features`; their signals have `size` times
    the standard deviation of the noise.
    """
    design, rng = shipped("ds003720", "001", folder, (), volumes=410), np.random.default_rng(seed)
    shown = {
        run: [replace(event, label=getattr(event, answers)) for event in events]
        for run, events in design.timeline.items()
    }
    volumes = {run: len(design.times(run)) for run in shown}
    settings = SyntheticSettings("ds003720", ("001",), tuple(volumes))
    simulator = SubjectResponses(settings, "001", shown, design.tr, volumes, 2.0)
    vectors = np.array([vector_of(name, features) for name in simulator.labels])
    signals = {run: course @ vectors for run, course in simulator.courses[LABEL].items()}
    weights = rng.standard_normal((features, voxels))
    scale = size / np.std(np.concatenate([*signals.values()]) @ weights)
    rows = []
    for run, events in design.timeline.items():
        signal = scale * signals[run] @ weights
        noise = lfilter([np.sqrt(1 - 0.3**2)], [1, -0.3], rng.standard_normal(signal.shape), axis=0)
        for event in events:
            since = design.times(run) - DELAY
            here = (since >= event.onset) & (since < event.end)
            own = scale * vector_of(getattr(event, answers), features) @ weights
            rows.append(((signal + noise)[here].mean(0), own, event.label, event.item, run))
    return Clips(*(np.array(one) for one in zip(*rows, strict=True)))


def vector_of(name: str, size: int) -> np.ndarray:
    """What stands for a genre or a clip."""
    return np.random.default_rng(zlib.crc32(name.encode())).standard_normal(size)


@pytest.mark.parametrize("kind", ["ridge", "lda", "logistic"])
def test_genres_are_told_by_three_quarters_of_what_an_oracle_can(tmp_path, kind):
    found = clips(tmp_path, "label", 50, 50, 0.16, 0)
    genres, first = np.unique(found.genre, return_index=True)
    nearest = genres[cdist(found.measured[found.test], found.true[first]).argmin(1)]
    oracle = np.mean(nearest == found.genre[found.test])
    samples = labelled(
        found.measured,
        found.genre,
        found.run,
        items=found.item,
        test=np.unique(found.run[found.test]),
    )
    reached = decode(samples, DecoderDesign(kind=kind, samples="blocks", permutations=0)).accuracy
    assert 0.4 < oracle < 0.9
    assert reached - 0.1 >= 0.75 * (oracle - 0.1)


def pairwise(nearer: np.ndarray) -> float:
    """Share of wrong candidates (columns) that are farther from a row than the right one."""
    others = ~np.eye(len(nearer), dtype=bool)
    return float((nearer > np.diag(nearer)[:, None])[others].mean())


def test_clips_are_identified_by_three_quarters_of_what_an_oracle_can(tmp_path):
    found = clips(tmp_path, "item", 10, 200, 0.1, 1)
    train, test = ~found.test, found.test
    features = np.array([vector_of(item, 10) for item in found.item])
    measured, names = average_showings(found.measured[test], found.item[test])
    true, _ = average_showings(found.true[test], found.item[test])
    candidates = np.array([vector_of(name, 10) for name in names])
    oracle = pairwise(cdist(measured, true))
    decoder = FeatureDecoder(voxels=None, alpha="cv", device="cpu")
    decoder.fit(found.measured[train], features[train], found.run[train])
    decoded, _ = average_showings(decoder.predict(found.measured[test]), found.item[test])
    encoder = RidgeCV(alphas=np.logspace(0, 6, 13), device="cpu")
    encoder.fit(features[train], found.measured[train], runs=found.run[train])
    mean = found.measured[train].mean(0)
    for reached in (
        identify(decoded, candidates, permutations=0),
        identify(measured - mean, encoder.predict(candidates) - mean, permutations=0),
    ):
        assert reached.pairwise.value - 0.5 >= 0.75 * (oracle - 0.5)
    assert len(names) == 60
    assert 0.9 < oracle < 1


def test_identification_of_seen_and_imagined_rises_with_the_signal_and_is_at_chance_without():
    rng = np.random.default_rng(2)
    train, items, units, voxels = 1200, 50, 40, 200
    features = rng.standard_normal((train + items, units))
    weights = rng.standard_normal((units, voxels)) / np.sqrt(units)
    # Each image is seen 35 times in the test, and imagined, less strongly, 20 times.
    kinds = {"seen": (1.0, 35), "imagined": (0.5, 20)}
    reached: dict[str, list[float]] = {kind: [] for kind in kinds}
    for size in (0.0, 0.06, 0.09, 0.15):
        x = size * features[:train] @ weights + rng.standard_normal((train, voxels))
        decoder = FeatureDecoder(voxels=100, alpha=100.0).fit(x, features[:train])
        for kind, (strength, times) in kinds.items():
            shown = np.repeat(np.arange(train, train + items), times)
            signal = strength * size * features[shown] @ weights
            x = signal + rng.standard_normal(signal.shape)
            predicted, names = average_showings(decoder.predict(x), shown)
            found = identify(predicted, features[names], permutations=999).pairwise
            reached[kind].append(found.value)
            if not size:
                assert found.low <= found.value <= found.high
                assert found.chance == pytest.approx(0.5, abs=0.02)
    for values in reached.values():
        assert (np.diff(values) > 0).all()
        assert values[-1] > 0.85
    assert (np.array(reached["seen"][1:]) > reached["imagined"][1:]).all()
