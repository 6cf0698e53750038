"""Images as stimuli: read as they are seen, one row an image, under their names."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from transformers import AutoImageProcessor

from helpers import tiny_networks
from helpers.features_study import FilmStudy
from tristream.cli import main
from tristream.features.core.feature_file import open_features
from tristream.features.core.frames import frame_batches
from tristream.features.show.look import look_at_image, some_images
from tristream.features.show.shown_space import find_space
from tristream.media.still_images import read_image
from tristream.report.sections.space import events_of, went_in
from tristream.report.study_results import Results
from tristream.store import Provenance, read_table, write_table

RED, GREY = (250, 20, 20), (120, 120, 120)


def picture(size: tuple[int, int] = (40, 30)) -> np.ndarray:
    """A ramp in red and green, blue on the left half."""
    y, x = np.mgrid[: size[1], : size[0]]
    blue = np.where(x < size[0] // 2, 200, 0)
    return np.stack([x * 255 // size[0], y * 255 // size[1], blue], axis=2).astype(np.uint8)


def test_plain_formats_are_read_as_they_are(tmp_path: Path) -> None:
    for suffix in ("png", "bmp", "tiff", "ppm"):
        path = tmp_path / f"image.{suffix}"
        Image.fromarray(picture()).save(path)
        np.testing.assert_array_equal(read_image(path), picture())
    Image.fromarray(picture()).save(tmp_path / "image.jpg", quality=95)
    error = read_image(tmp_path / "image.jpg").astype(int) - picture()
    assert np.abs(error).mean() < 4


def test_alpha_shows_grey(tmp_path: Path) -> None:
    pixels = np.zeros((2, 3, 4), np.uint8)
    pixels[..., :3] = RED
    pixels[0, :, 3] = (255, 0, 128)
    Image.fromarray(pixels).save(tmp_path / "alpha.png")
    row = read_image(tmp_path / "alpha.png")[0].astype(int)
    np.testing.assert_array_equal(row[0], RED)
    np.testing.assert_array_equal(row[1], [128] * 3)
    np.testing.assert_allclose(row[2], (np.array(RED) + 128) / 2, atol=1)
    grey = Image.fromarray(np.full((2, 2), 90, np.uint8)).convert("LA")
    grey.putalpha(0)
    grey.save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), np.full((2, 2, 3), 128))


def test_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREY, 0, 0, 0])
    image.putdata([0, 1, 2])
    image.save(tmp_path / "palette.png", transparency=2)
    expected = np.array([[RED, GREY, (128, 128, 128)]])
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png"), expected)


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    for suffix in ("png", "tiff"):
        path = tmp_path / f"deep.{suffix}"
        Image.fromarray(ramp).save(path)
        read = read_image(path)
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read[..., 0], np.arange(256).reshape(16, 16))
    import cv2

    colour = np.stack([ramp, ramp.T, ramp[::-1]], axis=2)
    cv2.imwrite(str(tmp_path / "rgb16.png"), colour[..., ::-1])
    read = read_image(tmp_path / "rgb16.png").astype(int)
    assert np.abs(read - colour / 257).max() <= 1


def test_cmyk(tmp_path: Path) -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    for suffix in ("jpg", "tiff"):
        image.save(tmp_path / f"cmyk.{suffix}")
        read = read_image(tmp_path / f"cmyk.{suffix}")
        assert read.shape == (8, 8, 3)
        assert np.abs(read.astype(int) - [255, 0, 0]).max() <= 3


def test_exif_turns_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(picture()).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png"), np.rot90(picture(), -1))


def test_batches_of_images(tmp_path: Path) -> None:
    paths = []
    for index in range(5):
        paths.append(tmp_path / f"{index}.png")
        Image.new("RGB", (30 + index, 20), (index * 10,) * 3).save(paths[-1])
    given = list(frame_batches(tuple(paths), fps=1, size=(8, 6), length=2, skip=1))
    assert [list(times) for times, _ in given] == [[2, 3], [4]]
    assert [list(images[:, 0, 0, 0]) for _, images in given] == [[20, 30], [40]]
    [(_, grey)] = frame_batches(tuple(paths), fps=1, size=(8, 6), length=9, format="gray")
    assert grey.shape == (5, 6, 8)


class ImageStudy(FilmStudy):
    """A study of images."""

    def write_descriptor(self) -> None:
        """The films' descriptor, with images in their place."""
        super().write_descriptor()
        path = self.folder / "workflow/datasets/films.yaml"
        content = yaml.safe_load(path.read_text())
        for row in content["stimuli"]["table"]:
            row["kind"] = "film" if row["path"].endswith(".mp4") else "image"
        path.write_text(yaml.safe_dump(content))


@pytest.fixture
def study(tmp_path: Path) -> ImageStudy:
    folder = tmp_path / "stimuli"
    folder.mkdir()
    for index, name in enumerate(("house", "apple", "zebra")):
        Image.fromarray(np.roll(picture((50, 40)), index * 9, axis=1)).save(folder / f"{name}.png")
    network = tiny_networks.save(tiny_networks.IMAGE["vit"], tmp_path / "network")
    options = {"folder": str(network), "batch": 2}
    space = {"stream": "ventral", "extractor": "image_network", "layers": ["layer1", "last"]}
    images = [folder / f"{name}.png" for name in ("house", "apple", "zebra")]
    return ImageStudy(tmp_path, images, {"net": {**space, "options": options}})


def read(path: Path) -> tuple[list[str], np.ndarray, dict[str, Any]]:
    with open_features(path) as file:
        assert file.about.sampling == "item"
        assert not file.stimuli
        return file.items, file.item_values[()], file.item_notes


def test_one_row_an_image(study: ImageStudy) -> None:
    items, values, said = read(study.extract("net", "last"))
    assert items == ["house", "apple", "zebra"]
    assert values.shape == (3, 32)
    assert 0 < said["busy"] <= 1
    _, first, _ = read(study.extract("net", "layer1"))
    assert first.shape == (3, 32)
    assert not list((study.folder / "results").rglob(".chunks"))
    study.films.reverse()
    study.write_descriptor()
    turned, other, _ = read(study.extract("net", "last"))
    assert turned == ["zebra", "apple", "house"]
    np.testing.assert_allclose(other[::-1], values, atol=1e-5)


def test_images_beside_films_are_left_out_and_said(study: ImageStudy) -> None:
    from helpers.watermarks import watermarked

    study.films.append(watermarked(study.folder / "stimuli/film.mp4", 24))
    study.write_descriptor()
    study.write_receipt()
    with open_features(study.extract("net", "last")) as file:
        said = file.provenance
        assert list(file.stimuli) == ["film"]
        assert [omission.what for omission in said.omitted] == ["house", "apple", "zebra"]
        assert "beside films" in said.omitted[0].why


def test_images_are_shown_as_the_network_saw_them(
    study: ImageStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command, and on the space's page: each beside the pixels of its own processor."""
    study.receipt = study.folder / "results/fetch/films/stimuli/receipt.json"
    study.write_receipt()
    study.extract("net", "last")
    resolved = study.resolved()
    space = find_space(resolved, "films", "net")
    assert some_images(space) == ["house", "apple"]
    processor = AutoImageProcessor.from_pretrained(study.folder / "network")
    for name, path in zip(some_images(space), study.films, strict=False):
        shown = look_at_image(space, name)
        assert (shown.title, shown.size) == (name, "50 x 40 pixels")
        np.testing.assert_array_equal(shown.picture, read_image(path))
        pixels = processor(Image.open(path), return_tensors="np")["pixel_values"][0]
        assert shown.seen is not None
        np.testing.assert_allclose(shown.seen.values, pixels.transpose(1, 2, 0), atol=1e-5)

    config = str(study.folder / "config.yaml")
    assert main(["features", "show", "net", "--config", config]) == 0
    assert "last: 3 samples, 32 dimensions" in capsys.readouterr().out
    assert (study.folder / "results/show/films/net_input.png").stat().st_size > 5000
    assert main(["features", "show", "net", "--config", config, "--stimulus", "x"]) == 2
    assert "no stimulus 'x'" in capsys.readouterr().err

    [figure] = went_in(Results(resolved, study.folder / "report"), space).blocks
    assert figure.kind == "figure"
    table = read_table(study.folder / "report/figures/films/spaces/net_input.tsv", "figure")[0]
    assert list(table["stimulus"]) == ["house", "apple"]
    assert set(table["original"]) == {"50 x 40 pixels"}


def test_points_are_coloured_by_what_the_events_say(tmp_path: Path) -> None:
    """Images by their category; sounds by their genre; what has no label by its run."""
    (tmp_path / "stimuli").mkdir()
    Image.fromarray(picture()).save(tmp_path / "stimuli/house.png")
    network = {"folder": str(tmp_path / "network")}
    tiny_networks.save(tiny_networks.IMAGE["vit"], tmp_path / "network")
    block = {"stream": "ventral", "extractor": "image_network", "options": network}
    study = ImageStudy(tmp_path, [tmp_path / "stimuli/house.png"], {"net": block})
    rows = [
        ("run-1", "house", "image", np.nan, 1.0, "building"),
        ("run-1", "apple", "image", np.nan, 1.0, None),
        ("run-2", "song", "sound", 3.0, 15.0, "jazz"),
        ("run-2", "film", "film", 5.0, 10.0, None),
    ]
    columns = ["run", "stimulus", "kind", "media_start", "duration", "label"]
    path = tmp_path / "results/stimuli/films/inventory.tsv"
    write_table(path, pd.DataFrame(rows, columns=columns), Provenance("inventory", False))
    resolved = study.resolved()
    space = find_space(resolved, "films", "net")
    found = events_of(Results(resolved, tmp_path / "report"), space)
    assert [(what, label) for what, _, _, label in found] == [
        ("house", "building"),
        ("song", "jazz"),
        ("film", "run-2"),
    ]
    assert found[1][1:3] == (3.0, 18.0)
