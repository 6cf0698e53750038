"""How much disk the results of a study take, judged before there are any.

Cleaned BOLD, dual weights and predictions are single precision and hardly compress, so that they
follow from volumes, voxels, and how runs are held out; features follow from how many columns and
samples a second a space has. Pages and pictures: :mod:`tristream.demands.report_size`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tristream.demands.job_demands import Demands
from tristream.demands.report_size import (
    STUDY,
    VIEWER,
    SpaceSize,
    dataset_pages,
    subject_pages,
)
from tristream.demands.study_shapes import Samples, Shape, Shapes

if TYPE_CHECKING:
    from tristream.config.dataset import Dataset
    from tristream.config.load import Resolved
    from tristream.config.models import EncodingModel

BYTES = 4
"""Of a value."""
COLUMN, LAYER, STIMULUS = 70, 8e3, 2e3
"""Bytes of a column's name, of the attributes of a file of features, of what it says of a
stimulus."""
OF_NETWORK, OF_LABELS = 1000, 10
"""Columns of a layer that only its network knows (pooled layers have some hundreds to 2,000), and
of labels."""
REGIONS = 0.3e6
"""Of the atlas of regions."""
REPOSITORY, SIMULATED = 0.3e6, 6.0
"""Of the repository of a simulated dataset, and of each voxel and volume in it: two copies of a
compressed image of the whole head."""


def results_bytes(
    resolved: "Resolved",
    images: Mapping[str, int],
    spaces: Mapping[str, SpaceSize],
    counted: Mapping[str, Samples] | None = None,
) -> int:
    """Bytes that the results take.

    Parameters
    ----------
    resolved : Resolved
        The checked study.
    images : mapping of dataset to int
        Bytes of the images of its chosen subjects; 0 where they are not known. Cleaned BOLD is
        about as large, where neither descriptor nor files tell volumes and voxels.
    spaces : mapping of str to SpaceSize
        Feature spaces of the study, as :func:`tristream.features.core.space_size.space_sizes`
        knows them; what is not among them counts nothing.
    counted : mapping of dataset to samples
        As of :class:`tristream.demands.study_shapes.Shapes`.
    """
    shapes, found = Shapes(resolved, counted), STUDY + VIEWER
    demands = Demands(resolved, {}, shapes)
    if any(map(resolved.needs_regions, resolved.datasets)):
        found += REGIONS
    for dataset, subjects in resolved.subjects.items():
        used = [spaces[name] for name in spaces_of(resolved, dataset) if name in spaces]
        found += dataset_pages(resolved, dataset, used) + _features(resolved, shapes, dataset, used)
        for subject in subjects:
            shape = shapes.of(dataset, subject)
            seen = images.get(dataset, 0) / len(subjects)
            models = _of_models(resolved, demands, dataset, subject)
            found += _subject(resolved, dataset, shape, seen, models)
    return round(found)


def spaces_of(resolved: "Resolved", dataset: str) -> list[str]:
    """Feature spaces that a dataset's analyses use, with those that they are made from."""
    study = resolved.study
    texts = [
        *(t for one in study.models.values() if dataset in one.datasets for t in _in_bands(one)),
        *(t for i in study.identification.values() if dataset in i.datasets for t in i.features),
        *(t for one in study.rsa.values() if dataset in one.datasets for t in one.features),
    ]
    names = [text.partition("/")[0] for text in texts]
    parents = [t for name in names if name in study.fusion for t in study.fusion[name].parents]
    return list(dict.fromkeys([*names, *(text.partition("/")[0] for text in parents)]))


def _in_bands(model: "EncodingModel") -> list[str]:
    """Spaces, or their layers, of a model."""
    return [text for band in model.bands.values() for text in band]


def _of_models(resolved: "Resolved", demands: Demands, dataset: str, subject: str) -> float:
    """How often the models of a subject keep what its cleaned BOLD takes."""
    found = 0.0
    for name, model in resolved.study.models.items():
        if dataset in model.datasets:
            where = {"dataset": dataset, "subject": subject, "model": name}
            sizes = demands.sizes("encoding", where)
            duals = _duals(model) if resolved.study.keep_weights else 0
            kept = sizes.trained * duals + sizes.tested * (2 + len(model.bands))
            found += kept / max(sizes.rows, 1)
    return found


def _subject(
    resolved: "Resolved", dataset: str, shape: Shape, images: float, models: float
) -> float:
    """Bytes of a subject's cleaned BOLD, models, maps and pages.

    `images` are the bytes of its images; `models` keep so many times what BOLD takes.
    """
    about = resolved.datasets[dataset]
    bold, voxels = float(BYTES * shape.rows * shape.voxels), shape.voxels
    if images and not (shape.exact or about.size):
        bold = images
        voxels = min(voxels, round(bold / BYTES / max(shape.longest, 1)))
    rows = sum(shape.samples.values()) if about.trials is not None else shape.rows
    found = bold * (models + about.chosen_trials + rows / max(shape.rows, 1))
    if about.source.kind == "simulate":
        found += REPOSITORY + SIMULATED * shape.rows * voxels
    return found + subject_pages(resolved, dataset, shape.rows, voxels)


def _features(resolved: "Resolved", shapes: Shapes, dataset: str, spaces: list[SpaceSize]) -> float:
    """Bytes of features of the stimuli, and at the times of each timeline's volumes."""
    about, stimuli = resolved.datasets[dataset], resolved.datasets[dataset].stimuli.table
    subjects = resolved.subjects[dataset]
    timelines = {about.timeline_of(subject): subject for subject in subjects}
    kinds, shape, found = {one.kind for one in stimuli}, shapes.of(dataset, subjects[0]), 0.0
    for space in spaces:
        kind = space.reads(kinds)
        shown = min(len(stimuli), shape.rows) if kind else 0
        samples = float(shown)
        if kind in ("film", "sound"):
            samples = space.rate * _seconds(about, shape.rows, shape.longest)
        for told in space.widths:
            width = told or (OF_LABELS if space.medium == "label" else OF_NETWORK)
            names = LAYER + COLUMN * width
            found += names + STIMULUS * shown + BYTES * samples * width
            found += len(timelines) * (names + BYTES * shape.rows * width)
    return found


def _seconds(about: "Dataset", rows: int, longest: int) -> float:
    """Seconds of films and sounds: what runs show, no stimulus longer than a run."""
    return about.tr * min(rows, len(about.stimuli.table) * longest)


def _duals(model: "EncodingModel") -> int:
    """Sets of dual weights that are kept: one a band of a mean over candidates or of a stack."""
    if model.kind == "tcn":
        return 0
    averaged = model.kind == "stacking" or model.select == "average"
    return len(model.bands) if averaged else 1
