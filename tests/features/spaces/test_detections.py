"""Object detections as features: those of transformers, counted and measured."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from sklearn.datasets import load_sample_image

from helpers import tiny_networks
from helpers.features_study import FilmStudy
from helpers.watermarks import watermarked
from tristream.features.core.feature_file import open_features
from tristream.features.spaces.detections import (
    LAYERS,
    DetectionOptions,
    class_names,
    describe,
    detections,
)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("networks")
    return {
        name: tiny_networks.save(make, folder / name)
        for name, make in tiny_networks.DETECTOR.items()
    }


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Of two shapes, in turns: batches must not mix them."""
    folder = tmp_path_factory.mktemp("images")
    picture = load_sample_image("flower.jpg")
    cuts = [picture[:90, :150], picture[:90, 60:210], picture[:150, :90], picture[30:120, :150]]
    for index, cut in enumerate(cuts):
        Image.fromarray(np.ascontiguousarray(cut)).save(folder / f"{index}.png")
    return tuple(folder / f"{index}.png" for index in range(len(cuts)))


@pytest.mark.parametrize("name", tiny_networks.DETECTOR)
def test_detections_are_those_of_transformers(
    name: str, networks: dict[str, Path], photographs: tuple[Path, ...]
) -> None:
    if name == "yolos":  # the random network takes pictures of one shape
        photographs = (*photographs[:2], photographs[3])
    folder = networks[name]
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    network = transformers.AutoModelForObjectDetection.from_pretrained(folder).eval()
    threshold = 0.25
    expected: dict[str, list[np.ndarray]] = {layer: [] for layer in LAYERS}
    for path in photographs:
        image = np.asarray(Image.open(path))
        with torch.no_grad():
            output = network(**processor(images=[image], return_tensors="pt"))
        [found] = processor.post_process_object_detection(output, threshold=threshold)
        corners = found["boxes"].clamp(0, 1)
        areas = (corners[:, 2:] - corners[:, :2]).prod(1).numpy()
        labels = found["labels"].numpy()
        expected["count"].append(np.bincount(labels, minlength=4))
        expected["area"].append(np.bincount(labels, areas, minlength=4))
        all_scores = (
            output.logits.sigmoid() if name == "rt_detr" else output.logits.softmax(-1)[..., :-1]
        )
        expected["scores"].append(all_scores.amax(1)[0].numpy())
    assert np.sum(expected["count"]) > 0
    options = DetectionOptions(folder=str(folder), threshold=threshold, batch=2)
    notes: dict[str, Any] = {}
    [chunk] = detections(photographs, LAYERS, options, folder, "cpu", notes=notes)
    for layer in LAYERS:
        np.testing.assert_allclose(
            chunk[layer].values, np.stack(expected[layer]), atol=1e-4, err_msg=layer
        )
    assert notes["columns"]["count"] == ["N/A_0", "person", "N/A_2", "dog"]


@pytest.mark.parametrize("chooses", [True, False])
def test_known_boxes(chooses: bool) -> None:
    """Two sure boxes of one class, one unsure of another, one half outside the picture."""
    sure, unsure = 8.0, -1.0
    logits = torch.full((1, 4, 4), -8.0)
    logits[0, 0, 1] = logits[0, 1, 1] = logits[0, 3, 2] = sure
    logits[0, 2, 0] = unsure
    if chooses:
        logits[0, 2, 3] = 0.0
    boxes = torch.tensor(
        [[[0.5, 0.5, 0.2, 0.4], [0.2, 0.2, 0.1, 0.1], [0.5, 0.5, 1, 1], [1.0, 0.5, 0.4, 0.5]]]
    )
    found = describe(logits if chooses else logits[..., :3], boxes, chooses, 0.5)
    np.testing.assert_array_equal(found["count"], [[0, 2, 1]])
    np.testing.assert_allclose(found["area"], [[0, 0.08 + 0.01, 0.2 * 0.5]], atol=1e-6)
    assert found["scores"][0, 1] > 0.99
    assert 0.2 < found["scores"][0, 0] < 0.3


def test_class_names() -> None:
    assert class_names({1: "cat", 0: "dog", 2: "cat"}) == ["dog", "cat_1", "cat_2"]


def test_the_file_names_the_classes(networks: dict[str, Path], tmp_path: Path) -> None:
    film = watermarked(tmp_path / "stimuli/film.mp4", 24)
    space = {
        "stream": "ventral",
        "extractor": "detections",
        "options": {"folder": str(networks["detr"]), "fps": 4},
    }
    study = FilmStudy(tmp_path, [film], {"objects": space})
    with open_features(study.extract("objects", "area")) as file:
        assert file.names == ["N/A_0", "person", "N/A_2", "dog"]
        assert "columns" not in file.stimuli["film"].notes
        np.testing.assert_allclose(file.stimuli["film"].times, np.arange(4) / 4 + 1 / 8)
