"""The page of a dataset's films: a frame of each as it is shown, and what was applied to it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tristream.errors import UserError
from tristream.features.show import show_figures as draw
from tristream.features.show.look import WIDTH, Look, look, thumbnail
from tristream.features.show.shown_space import Space
from tristream.fetch.receipt import Receipt
from tristream.maps.style import SIMULATED_DATA
from tristream.media.media_contents import media_info
from tristream.report.elements import Block, Caution, Page, Section, facts
from tristream.report.study_results import Results
from tristream.stimuli.tables import Inventory, StimulusFile, read_inventory

# Films of which a frame is drawn.
DRAWN = 40


def page_of(dataset: str) -> str:
    """File of the page."""
    return f"{dataset}_films.html"


def anchor(number: int) -> str:
    """Where the page has the film of this place among the dataset's films."""
    return f"film-{number}"


def films_of(stimuli: Sequence[StimulusFile]) -> list[StimulusFile]:
    """The films among stimuli whose files are there, in the order of the table."""
    return [one for one in stimuli if one.kind == "film"]


def has_films(results: Results, dataset: str) -> bool:
    """Whether the dataset has a page of films."""
    path = results.path("inventory", dataset=dataset)
    return path.is_file() and bool(films_of(read_inventory(path).stimuli))


def page(results: Results, dataset: str, spaces: Sequence[Space], banner: str) -> Page:
    """A section for each film.

    Parameters
    ----------
    results : Results
    dataset : str
        It has films.
    spaces : sequence of Space
        Feature spaces of the dataset that have files.
    banner : str
        That of the dataset's pages.
    """
    path = results.path("inventory", dataset=dataset)
    inventory = read_inventory(path)
    results.read(path, inventory.provenance)
    found = Page(page_of(dataset), f"Films of {dataset}", "As they are stored and shown", banner)
    looking = [space for space in spaces if _sees(space)]
    for number, film in enumerate(films_of(inventory.stimuli)):
        blocks: list[Block] = [Caution(f"{film.path}: {note}.") for note in film.notes]
        if number < DRAWN:
            at = moment(inventory, film)
            blocks += _frame(results, dataset, film, number, at, looking)
        else:
            blocks += results.leave_out(
                f"Frames of films after the first {DRAWN}", f"{dataset}: it has more films"
            )
        rows = {"file": film.path, "seconds": film.duration, **film.facts, "sha256": film.sha256}
        found.sections.append(Section(anchor(number), film.stimulus, [*blocks, facts(rows)]))
    return found


def moment(inventory: Inventory, film: StimulusFile) -> float:
    """A moment (s) that was shown: the middle of the film's first event, or of the film."""
    table = inventory.table
    shown = table[(table["stimulus"] == film.stimulus) & table["media_start"].notna()]
    if shown.empty:
        return (film.duration or 0.0) / 2
    first = shown.iloc[0]
    return float(first["media_start"]) + float(first["duration"]) / 2


def _sees(space: Space) -> bool:
    """Whether the space is computed from the pictures of films."""
    return space.checked is not None and space.timed and not space.hears


def _frame(
    results: Results,
    dataset: str,
    film: StimulusFile,
    number: int,
    at: float,
    spaces: Sequence[Space],
) -> list[Block]:
    """The frame on screen at a moment, beside what each feature space gets of it."""
    path = results.path("stimuli_receipt", dataset=dataset)
    if gone := results.missing(f"Films of {dataset}", path):
        return [*gone]
    receipt = Receipt.read(path)
    at = min(at, film.duration or at)
    try:
        looks = [
            replace(one, seen=replace(one.seen, what=f"{space.name}, {one.seen.what}"))
            for space in spaces
            if film.stimulus in space.stimuli and (one := look(space, film.stimulus, at)).seen
        ]
        if not looks:
            medium = receipt.path(film.path)
            info = media_info(medium)
            picture = thumbnail(medium, at, WIDTH)
            size = f"{info.width} x {info.height} pixels"
            looks = [Look(film.stimulus, at, picture, None, (at, at), size, None)]
    except UserError as error:
        return [*results.leave_out(f"A frame of {film.stimulus}", f"{dataset}: {error}")]
    caption = f"At {at:.1f} s, as it is shown: upright, pixels square ({looks[0].size})"
    if looks[0].seen:
        caption += "; beside it what each feature space computes from, scaled and cropped"
    table = pd.DataFrame(
        {
            "seconds": at,
            "original": [one.size for one in looks],
            "seen": [one.seen.what if one.seen else "n/a" for one in looks],
            "lowest": [float(np.min(one.seen.values)) if one.seen else np.nan for one in looks],
            "highest": [float(np.max(one.seen.values)) if one.seen else np.nan for one in looks],
        }
    )
    return [
        results.figure(
            draw.input_figure(looks),
            f"{dataset}/films/{number}",
            f"A frame of {film.stimulus}",
            f"{caption}.",
            table,
            receipt.simulated,
            wide=True,
            words=SIMULATED_DATA,
        )
    ]
