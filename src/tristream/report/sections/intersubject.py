"""How much of each subject's test data the other subjects share."""

import numpy as np

from tristream.encode.encoding_file import read_scores
from tristream.inference.intersubject_file import Intersubject, read_intersubject
from tristream.report.elements import Block, Heading, Table
from tristream.report.study_results import Results

CAPTION = (
    "Inter-subject correlation: each subject's test data with the mean of all others', mean over "
    "the voxels that all have. It is a lower bound of the noise ceiling of r, for a subject's own "
    "responses are missing and the others' noise is not averaged out; a model can exceed it. "
    "Brackets: 95 % intervals. Models: mean test r over all voxels of the subject."
)


def others(results: Results, dataset: str) -> list[Block]:
    """A table by subject; nothing where the dataset has one subject or no model."""
    models = results.models(dataset)
    if not models or len(results.resolved.subjects[dataset]) < 2:
        return []
    path = results.path("intersubject", dataset=dataset)
    if gone := results.missing("Inter-subject correlation", path):
        return [*gone]
    found, provenance = read_intersubject(path)
    notes = results.read(path, provenance)
    if found is None:
        return [*notes]
    rows = tuple(
        (
            f"sub-{subject}",
            found.ijk.shape[0],
            _bracketed(found, place),
            float((found.r.low[place] > 0).mean()),
            *(_mean_r(results, dataset, model, subject) for model in models),
        )
        for place, subject in enumerate(found.subjects)
    )
    columns = (
        "subject",
        "voxels",
        "r with the others",
        "share of voxels with it above 0 at 95 %",
        *(f"r of {model}" for model in models),
    )
    return [Heading("Other subjects"), Table(CAPTION, columns, rows), *notes]


def _bracketed(found: Intersubject, place: int) -> str:
    value, low, high = (getattr(found.mean, key)[place] for key in ("value", "low", "high"))
    return f"{value:.3f}" if np.isnan(low) else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _mean_r(results: Results, dataset: str, model: str, subject: str) -> float | None:
    path = results.path("encoding", dataset=dataset, model=model, subject=subject)
    return float(np.nanmean(read_scores(path)[0].scores.r)) if path.is_file() else None
