"""Each film of a dataset has a part of a page: a frame as it is shown, and what was applied."""

import html
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from helpers.features_study import FilmStudy
from helpers.films import make_film
from helpers.odd_films import turned
from tristream.config.events import EventReading
from tristream.config.runs import Exchange
from tristream.features.show import show_figures
from tristream.features.show.look import Look
from tristream.fetch.receipt import Receipt
from tristream.report.build import build
from tristream.stimuli.inventory import stimulus_list
from tristream.stimuli.tables import write_inventory
from tristream.stimuli.timelines import Event
from tristream.store import Provenance, read_table

pytestmark = pytest.mark.xdist_group("films_page")
NAMES = {"upright": "upright.mp4", "odd": "<img src=x onerror=alert(1)>.mp4", "gone": "gone.mp4"}
SHOWN = {"upright": (2.0, 6.0), "odd": (0.0, 10.0)}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> FilmStudy:
    """A film that is turned, one whose name is markup, and one that is gone by now."""
    folder = tmp_path_factory.mktemp("films")
    times = np.arange(240) / 24
    images = np.stack([np.full((32, 64), 20 + k // 2, np.uint8) for k in range(len(times))])
    images[:, :, :16] = 250
    paths = [make_film(folder / "stimuli" / name, images, times) for name in NAMES.values()]
    turned(paths[0], (0, 1, -1, 0))
    low = {"stream": "nuisance", "extractor": "lowlevel"}
    made = FilmStudy(folder, paths, {"low": low})
    path = folder / "workflow/datasets/films.yaml"
    described = yaml.safe_load(path.read_text())
    for row, stimulus in zip(described["stimuli"]["table"], NAMES, strict=True):
        row["stimulus"] = stimulus
    path.write_text(yaml.safe_dump(described))
    content = yaml.safe_load((folder / "config.yaml").read_text())
    content["models"] = {"m": {"datasets": ["films"], "bands": {"a": ["low"]}}}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    made.receipt = folder / "results/fetch/films/stimuli/receipt.json"
    made.write_receipt()
    made.extract("low", "lowlevel")
    reading = EventReading.of(made.resolved().datasets["films"])
    stimuli = stimulus_list(reading, Receipt.read(made.receipt))
    shown = [
        Event(0.0, stop - start, name, "film", name, media_start=start)
        for name, (start, stop) in SHOWN.items()
    ]
    inventory = folder / "results/stimuli/films/inventory.tsv"
    timelines = {"main": {"run-1": shown, "run-2": shown}}
    write_inventory(
        inventory, timelines, Exchange(unit="time"), stimuli, Provenance("inventory", False)
    )
    paths[2].unlink()
    return made


@pytest.fixture(scope="module")
def drawn(study: FilmStudy) -> list[Look]:
    """What figures show; the report is built."""
    found: list[Look] = []
    draw = show_figures.input_figure

    def remembered(looks: list[Look]) -> object:
        found.extend(looks)
        return draw(looks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(show_figures, "input_figure", remembered)
        build(study.resolved(), study.folder / "results/report/index.html")
    return found


def page(study: FilmStudy) -> str:
    return (study.folder / "results/report/films_films.html").read_text()


def part(study: FilmStudy, number: int) -> str:
    """The text of a film's section."""
    start = page(study).split(f'id="film-{number}"')[1].split("</section>")[0]
    return html.unescape(re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", start)))


def test_a_turned_film_is_drawn_upright_beside_what_is_computed_from(
    study: FilmStudy, drawn: list[Look]
) -> None:
    (look,) = [one for one in drawn if one.at == 4.0]
    assert look.stimulus == "upright"
    assert look.picture is not None
    # Turned clockwise: what is stored on the left is above.
    assert look.picture.shape == (64, 32, 3)
    assert look.picture[:14].min() > 230
    # The middle of its first event: second 4 of the film.
    assert np.median(look.picture[20:]) == pytest.approx(20 + 4 * 24 // 2, abs=4)
    assert look.seen is not None
    assert look.seen.what.startswith("low, ")
    table, provenance = read_table(
        study.folder / "results/report/figures/films/films/0.tsv", "figure"
    )
    assert table["seconds"].tolist() == [4.0]
    assert table["original"].tolist() == ["32 x 64 pixels"]
    assert not provenance.simulated


def test_facts_of_a_film_stand_in_its_part(study: FilmStudy, drawn: list[Look]) -> None:
    text = part(study, 0)
    for fact in (
        "32 x 64 pixels, 24.000 fps",
        "90° clockwise",
        "64 x 32, h264, yuv420p",
        "matrix",
        "1 picture, 0 sound",
        "As it is shown",
        "upright.mp4",
    ):
        assert fact.lower() in text.lower(), fact


def test_names_are_text_and_the_dataset_leads_to_each_film(
    study: FilmStudy, drawn: list[Look]
) -> None:
    assert "<img src=x" not in page(study)
    assert NAMES["odd"] in part(study, 1)
    dataset = (study.folder / "results/report/films.html").read_text()
    assert "<img src=x" not in dataset
    for number in range(3):
        assert f'href="films_films.html#film-{number}"' in dataset


def test_a_film_that_is_gone_is_named(study: FilmStudy, drawn: list[Look]) -> None:
    assert re.search(r"A frame of gone not produced because: films: \S+gone\.mp4", part(study, 2))
    assert not Path(study.folder / "results/report/figures/films/films/2.png").exists()
