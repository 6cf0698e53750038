"""A strip of the brain for each subject and encoding model, and for all subjects together.

Strips of one model share one scale, so that subjects can be compared; each is drawn once, for all
pages that show it.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.bold.index_file import read_index
from tristream.contrast.contrast_file import read_contrast
from tristream.encode.encoding_file import read_scores
from tristream.inference.group_file import read_group
from tristream.inference.inference_file import read_inference
from tristream.maps.encoding_maps import STREAMS, round_up
from tristream.maps.score_maps import best_stream
from tristream.maps.strips import DPI, Brain, opacity, strip_of_labels, strip_of_values
from tristream.maps.style import colours_of, titled
from tristream.report.elements import Figure
from tristream.report.findings import ContrastFinding, Findings
from tristream.report.study_results import Results
from tristream.report.workers import make

Strips = Mapping[tuple[str, str, str], Mapping[str, Figure]]
"""By dataset, model and subject (empty: all subjects): strips by the name of their column."""
ACCURACY, STREAM, COUNT = "accuracy", "winning stream", "subjects with an effect"
T_MAP = "t"
FAINT = "Faint: not significant."
# Contrasts are drawn of the first subjects: others have them on pages of their own.
FEW_CONTRASTS = 4


def shown_models(results: Results, dataset: str) -> list[str]:
    """Models whose strips are drawn: those of interest, or controls where there are no others."""
    models = results.models(dataset)
    chosen = [name for name, model in models.items() if not results.is_plain(model)]
    return chosen or list(models)


def draw_strips(results: Results, findings: Findings, workers: int = 1) -> Strips:
    """Draw the strips of everything that was found."""
    jobs = {}
    for dataset, subjects in results.resolved.subjects.items():
        for model in shown_models(results, dataset):
            found = findings.of_model(dataset, model)
            if not found:
                continue
            full = round_up(float(np.median([one.top for one in found])))
            for one in found:
                key = (dataset, model, one.subject)
                jobs[key] = partial(_of_subject, results, *key, full)
            if len(subjects) > 1 and findings.group(dataset, model):
                jobs[dataset, model, ""] = partial(_of_group, results, dataset, model, full)
    seen: dict[tuple[str, str], int] = {}
    for contrast in findings.contrasts:
        name = (contrast.dataset, contrast.contrast)
        seen[name] = seen.get(name, 0) + 1
        if seen[name] <= FEW_CONTRASTS:
            jobs[contrast_key(*name, contrast.subject)] = partial(_of_contrast, results, contrast)
    drawn = make(results, list(jobs.values()), workers)
    return dict(zip(jobs, drawn, strict=True))


def contrast_key(dataset: str, contrast: str, subject: str) -> tuple[str, str, str]:
    """Where the strip of a contrast is among others: a model may have its name."""
    return dataset, f"contrast {contrast}", subject


def _of_contrast(results: Results, one: ContrastFinding) -> dict[str, Figure]:
    where = {"dataset": one.dataset, "contrast": one.contrast, "subject": one.subject}
    path = results.path("contrast", **where)
    if not path.is_file():
        return {}
    found = read_contrast(path)
    results.read(path, found.provenance)
    place = found.ijk, found.affine, found.shape, found.grayordinates
    brain = Brain(*place, *surroundings(results, one.dataset, one.subject))
    if not brain.is_drawn:
        return {}
    full = round_up(float(np.nanpercentile(np.abs(found.t), 99)))
    counted = np.abs(found.t) >= one.threshold
    head = titled(f"sub-{one.subject}, contrast {one.contrast}: t", found.simulated)
    table = _places(brain, {"t": found.t.round(4), "counted": counted.astype(int)})
    figure = results.untitled(
        strip_of_values(brain, found.t, opacity(counted, len(found.t)), full, "t", head, True),
        f"{one.dataset}/sub-{one.subject}/brain_contrast_{one.contrast}_t",
        head,
        f"t in the brain, from -{full:.2g} to {full:.2g}. Faint: not counted. {brain.words}",
        table,
        found.simulated,
        dpi=DPI,
    )
    return {T_MAP: figure}


def _of_subject(
    results: Results, dataset: str, model: str, subject: str, full: float
) -> dict[str, Figure]:
    where = {"dataset": dataset, "model": model, "subject": subject}
    path = results.path("encoding", **where)
    scored, provenance = read_scores(path)
    results.read(path, provenance)
    i, j, k = (int(n) for n in scored.shape)
    place = scored.ijk, scored.affine, (i, j, k), scored.grayordinates
    brain = Brain(*place, *surroundings(results, dataset, subject))
    if not brain.is_drawn:
        return {}
    r, significant = scored.scores.r, None
    tested = results.path("inference", **where)
    if tested.is_file() and (found := read_inference(tested)[0].found) is not None:
        significant = found.significant
    simulated = provenance.simulated
    shown = opacity(significant, len(r))
    table = _places(brain, {"r": r.round(4)})
    if significant is not None:
        table["significant"] = significant.astype(int)
    faint = FAINT if significant is not None else ""
    folder = f"{dataset}/sub-{subject}"
    head = titled(f"sub-{subject}, {model}: test r", simulated)
    out = {
        ACCURACY: results.untitled(
            strip_of_values(brain, r, shown, full, "test r", head),
            f"{folder}/brain_{model}_r",
            head,
            f"Test r in the brain, from 0 to {full:.2g}. {faint} {brain.words}",
            table,
            simulated,
            dpi=DPI,
        )
    }
    block = results.models(dataset)[model]
    streams = results.streams(block)
    competing = [band for band in scored.bands if streams.get(band) in STREAMS]
    if len(competing) > 1 and not results.is_plain(block):
        chosen = colours_of(scored.bands, streams)
        labels = best_stream(scored.scores.band_r2, scored.bands, competing)
        colours = {band: chosen[band] for band in competing}
        head = titled(f"sub-{subject}, {model}: winning stream", simulated)
        table["stream"] = np.array(["none", *competing])[labels]
        out[STREAM] = results.untitled(
            strip_of_labels(brain, labels, r, shown, full / 2, colours, head),
            f"{folder}/brain_{model}_stream",
            head,
            "The stream with the largest share of test R². Opacity: test r, full from "
            f"{full / 2:.2g}. {faint} {brain.words}",
            table,
            simulated,
            dpi=DPI,
        )
    return out


def surroundings(
    results: Results, dataset: str, subject: str
) -> tuple[str, Path | None, Path | None]:
    """Space of the volumes, a run to lie under them, and meshes, as far as they are there."""
    index = results.path("bold_index", dataset=dataset, subject=subject)
    space, run = "", None
    if index.is_file():
        runs = read_index(index)
        space = runs.space
        run = runs.files[0] if runs.files[0].is_file() else None
    return space, run, results.meshes


def _of_group(results: Results, dataset: str, model: str, full: float) -> dict[str, Figure]:
    path = results.path("group", dataset=dataset, model=model)
    level, provenance = read_group(path)
    voxels, simulated = level.voxels, provenance.simulated
    first = results.path("bold_index", dataset=dataset, subject=level.subjects[0])
    space = read_index(first).space if first.is_file() else ""
    on_surface = voxels is not None and voxels.grayordinates is not None
    if voxels is None or not (space.startswith("MNI") or on_surface):
        return {}
    i, j, k = voxels.shape
    place = voxels.ijk, np.asarray(voxels.affine), (i, j, k), voxels.grayordinates
    brain = Brain(*place, space, None, results.meshes)
    if not brain.is_drawn:
        return {}
    results.read(path, provenance)
    test, number = voxels.means.stimuli or voxels.means.people, len(level.subjects)
    significant = None if test is None else test.q <= float(provenance.config["fdr"])
    r = np.tanh(voxels.means.mean)
    faint = FAINT if significant is not None else ""
    head = titled(f"{number} subjects, {model}: mean test r", simulated)
    drawing = strip_of_values(brain, r, opacity(significant, len(r)), full, "mean r", head)
    out = {
        ACCURACY: results.untitled(
            drawing,
            f"{dataset}/brain_{model}_mean",
            head,
            f"Mean over subjects (by Fisher z) of test r, from 0 to {full:.2g}. {faint} "
            f"{brain.words}",
            _places(brain, {"mean r": r.round(4)}),
            simulated,
            dpi=DPI,
        )
    }
    if voxels.count is not None:
        head = titled(f"{number} subjects, {model}: how many have p ≤ {level.level:g}", simulated)
        count = voxels.count.astype(np.float32)
        shown = np.where(count > 0, 1.0, 0.0)
        out[COUNT] = results.untitled(
            strip_of_values(brain, count, shown, float(number), "subjects", head),
            f"{dataset}/brain_{model}_count",
            head,
            f"In how many subjects p is at most {level.level:g}, uncorrected. {brain.words}",
            _places(brain, {"subjects": voxels.count}),
            simulated,
            dpi=DPI,
        )
    return out


def _places(brain: Brain, values: Mapping[str, npt.NDArray]) -> pd.DataFrame:
    """A row a voxel: where it is, and its values."""
    columns = dict(zip("ijk", brain.ijk.T, strict=True))
    if (where := brain.grayordinates) is not None:
        columns["structure"] = np.asarray(where.names)[where.structure]
    return pd.DataFrame({**columns, **values})
