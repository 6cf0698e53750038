"""The page of one feature space: what went in, what came out."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from tristream.errors import UserError
from tristream.features.core.feature_file import open_features
from tristream.features.show import gradcam
from tristream.features.show import show_figures as draw
from tristream.features.show import show_numbers as numbers
from tristream.features.show.look import Look, look, look_at_image, some_images
from tristream.features.show.shown_space import Space, some_rows
from tristream.features.show.traces import moments, traces
from tristream.maps.style import SIMULATED, SIMULATED_DATA, STREAM_COLOURS
from tristream.report import report_figures as figures
from tristream.report.elements import Block, Section, Table, facts
from tristream.report.similarity import Similarity
from tristream.report.study_results import Results
from tristream.stimuli.tables import read_inventory

SPECTRUM_ROWS = 500
POINTS = 300
MOST_DEAD = 12


def about(results: Results, space: Space) -> Section:
    """How the space is made."""
    block = results.resolved.study.spaces[space.name]
    rows: list[tuple[str, Any]] = [("Stream", block.stream)]
    if space.checked is not None:
        extractor = space.checked.extractor
        rows += [("Extractor", extractor.name), ("Method", extractor.summary)]
        options = space.checked.options.model_dump(mode="json")
    else:
        options = block.model_dump(mode="json", exclude={"stream"})
    rows += [(name.capitalize().replace("_", " "), value) for name, value in options.items()]
    rows.append(("Layers", list(space.layers)))
    path = next(iter(space.layers.values()))
    with open_features(path) as file:
        results.read(path, file.provenance)
        rows += list(file.about.fit.items())
    return Section("about", "How it is made", [facts(rows)])


def went_in(results: Results, space: Space) -> Section:
    """The original beside what the extractor got of it."""
    blocks: list[Block] = []
    images = some_images(space)
    if not (space.timed or images):
        why = f"{space.dataset}: its rows are labels, not films or images"
        blocks += results.leave_out(f"Input of {space.name}", why)
        return _section("input", "What went in", space, blocks)
    receipt = results.path("stimuli_receipt", dataset=space.dataset)
    if gone := results.missing(f"Stimuli of {space.dataset}", receipt):
        return _section("input", "What went in", space, list(gone))
    try:
        looks = [look_at_image(space, name) for name in images] or [
            look(space, space.stimuli[0], at) for at in moments(space, space.stimuli[0])
        ]
    except UserError as error:
        blocks += results.leave_out(f"Input of {space.name}", f"{space.dataset}: {error}")
        return _section("input", "What went in", space, blocks)
    if not looks[0].seen:
        why = "its parents are shown on their own pages" if space.checked is None else "no preview"
        blocks += results.leave_out(
            f"Input of {space.name} as it was computed from", f"{space.dataset}: {why}"
        )
    blocks.append(_input_figure(results, space, looks))
    blocks += _attention(results, space, looks)
    return _section("input", "What went in", space, blocks)


def _section(id: str, title: str, space: Space, blocks: list[Block]) -> Section:
    return Section(f"{id}-{space.dataset}", f"{title}, {space.dataset}", blocks)


def _input_figure(results: Results, space: Space, looks: list[Look]) -> Block:
    table = pd.DataFrame(
        [
            {
                "stimulus": one.stimulus,
                "seconds": one.at,
                "original": one.size,
                "seen": one.seen.what if one.seen else "n/a",
                "lowest": float(np.min(one.seen.values)) if one.seen else np.nan,
                "highest": float(np.max(one.seen.values)) if one.seen else np.nan,
            }
            for one in looks
        ]
    )
    seen = looks[0].seen
    shown = "Images" if space.images else f"Two moments of {looks[0].stimulus}"
    caption = f"{shown} ({looks[0].size}) as they are"
    caption += (
        f", and what the extractor computed from after resizing, cropping and scaling ({seen.what};"
        " drawn from its lowest to its highest value)."
        if seen
        else "."
    )
    return _figure(
        results,
        space,
        draw.input_figure(looks),
        "input",
        f"Original and input of {space.name}",
        caption,
        table,
        wide=True,
    )


def _attention(results: Results, space: Space, looks: list[Look]) -> list[Block]:
    """Grad-CAM, for networks that end in class scores."""
    if not gradcam.has_classes(space):
        return []
    if why := gradcam.why_not(space):
        return list(results.leave_out(f"Grad-CAM of {space.name}", f"{space.dataset}: {why}"))
    pictures = [np.asarray(one.seen.values) for one in looks if one.seen]
    found = gradcam.attend(space, pictures)
    table = pd.DataFrame(
        {
            "stimulus": [one.stimulus for one in looks],
            "seconds": [one.at for one in looks],
            "class": [one.label for one in found],
            "probability": [round(one.probability, 4) for one in found],
            "share above half": [round(float((one.heat > 0.5).mean()), 4) for one in found],
        }
    )
    caption = (
        "What in the input speaks for the class with the highest score (its number, for "
        "most networks that in ImageNet): Grad-CAM of the last convolution, from none (dark) to "
        "the most of this picture (bright)."
    )
    title, drawing = f"Where {space.name} looks", draw.attention_figure(found)
    return [_figure(results, space, drawing, "gradcam", title, caption, table)]


def came_out(results: Results, space: Space, similarity: Similarity) -> Section:
    """Traces, numbers of each layer, similarity to other spaces, t-SNE."""
    blocks: list[Block] = []
    with_rows = {name: path for name, path in space.layers.items() if _has_rows(path)}
    if not with_rows:
        why = f"{space.dataset}: its files hold no values"
        blocks += results.leave_out(f"Output of {space.name}", why)
        return _section("output", "What came out", space, blocks)
    if space.timed:
        blocks.append(_traces(results, space))
    blocks += _numbers(results, space)
    blocks += _similar(results, space, similarity)
    blocks += _points(results, space)
    return _section("output", "What came out", space, blocks)


def _has_rows(path: Any) -> bool:
    with open_features(path) as file:
        return bool(file.all_values)


def _is_simulated(path: Any) -> bool:
    with open_features(path) as file:
        return file.provenance.simulated


def _figure(
    results: Results,
    space: Space,
    drawing: Drawing,
    what: str,
    title: str,
    caption: str,
    table: pd.DataFrame,
    wide: bool = False,
) -> Block:
    """A figure of a space: the features' files say whether it shows simulated data."""
    truth = results.stream(space.name) == "truth"
    simulated = truth or any(_is_simulated(p) for p in space.layers.values())
    words = SIMULATED if truth else SIMULATED_DATA
    name = f"{space.dataset}/spaces/{space.name}_{what}"
    return results.figure(drawing, name, title, caption, table, simulated, wide=wide, words=words)


def _traces(results: Results, space: Space) -> Block:
    stimulus = space.stimuli[0]
    found = traces(space, stimulus)
    colour = STREAM_COLOURS[results.stream(space.name)]
    table = pd.DataFrame({"seconds": found.times.round(3)})
    for name, trace in found.rows.items():
        table[name] = trace.round(4)
    return _figure(
        results,
        space,
        draw.trace_figure(found, colour),
        "traces",
        f"{space.name} over {stimulus}",
        "The first principal components of each layer (columns z-scored) under frames of the "
        "film, each on its own scale. The sign of a component is arbitrary.",
        table,
        wide=True,
    )


def _numbers(results: Results, space: Space) -> list[Block]:
    rows, notes = [], []
    for layer, path in space.layers.items():
        found = numbers.summarise(path, some_rows(path, SPECTRUM_ROWS).values)
        dead = len(found.dead)
        rows.append(
            (
                layer,
                found.samples,
                found.dimensions,
                dead,
                found.variance,
                round(found.effective, 1),
                found.for_most,
            )
        )
        if dead:
            named = ", ".join(found.dead[:MOST_DEAD])
            more = f" and {dead - MOST_DEAD} more" if dead > MOST_DEAD else ""
            notes.append((f"Dead in {layer}", f"{named}{more}"))
    columns = (
        "layer",
        "samples",
        "dimensions",
        "dead",
        "variance",
        "effective dimensions",
        "components for 90 %",
    )
    caption = (
        "Size and spread of each layer. Dead: a dimension that does not vary over all stimuli. "
        "Effective dimensions: participation ratio of the principal components' variances."
    )
    return [Table(caption, columns, tuple(rows)), *([facts(notes)] if notes else [])]


def _similar(results: Results, space: Space, similarity: Similarity) -> list[Block]:
    """Linear CKA of each layer of the space with each space of the dataset."""
    rows, columns, values = similarity.of(space.name)
    if not rows or len(columns) < 2:
        why = f"{space.dataset}: no model has it at the times of volumes beside another space"
        return list(results.leave_out(f"Similarity of {space.name} to other spaces", why))
    table = pd.DataFrame(values.round(4), columns=columns)
    table.insert(0, "layer", rows)
    drawing = figures.heatmap(
        values, rows, columns, (space.name, "feature space", "linear CKA"), (0, 1)
    )
    caption = (
        "Linear centred kernel alignment at the volumes: 1 is the same geometry, 0 nothing in "
        "common. A space takes all its layers side by side, columns z-scored."
    )
    title = f"{space.name} and the other spaces"
    return [_figure(results, space, drawing, "similarity", title, caption, table)]


def _points(results: Results, space: Space) -> list[Block]:
    layer, path = list(space.layers.items())[-1]
    rows = some_rows(path, POINTS)
    points = numbers.embed_points(rows.values)
    if points is None:
        shape = "{} rows of {} columns".format(*rows.values.shape)
        why = f"{space.dataset}: {shape}; neighbourhoods need 10 rows of 2 columns"
        return list(results.leave_out(f"t-SNE of {space.name}", why))
    labels = numbers.labels_of(rows.times, rows.owners, events_of(results, space))
    table = pd.DataFrame(points.round(3), columns=["x", "y"])
    table.insert(0, "seconds", np.round(rows.times, 3))
    table.insert(0, "label", labels)
    caption = (
        f"{len(points)} samples of {layer}, evenly spaced; near points are alike (t-SNE of 30 "
        "principal components of z-scored columns). Colour: the label of the event that shows the "
        "sample, or without one the first run that does. Distances between far points mean nothing."
    )
    title = f"Samples of {space.name}/{layer}"
    drawing = draw.point_figure(points, labels)
    return [_figure(results, space, drawing, "tsne", title, caption, table)]


def events_of(results: Results, space: Space) -> list[tuple[str, float, float, str]]:
    """What each segment of a film or sound, or each image, is labelled; else which run shows it."""
    path = results.path("inventory", dataset=space.dataset)
    if not path.is_file():
        return []
    table = read_inventory(path).table
    labels = table["label"] if "label" in table else pd.Series(pd.NA, table.index)
    table["shown"] = labels.where(labels.notna(), table["run"])
    # A run says little of an image: without a label it is its own.
    images = (table["kind"] == "image") & labels.notna()
    shown = table[table["kind"].isin(["film", "sound"]) | images]
    return [
        (
            str(row["stimulus"]),
            float(row["media_start"]),
            float(row["media_start"]) + float(row["duration"]),
            str(row["shown"]),
        )
        for row in shown.to_dict("records")
    ]
