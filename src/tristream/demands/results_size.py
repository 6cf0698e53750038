"""How much disk the results of a study take, judged before there are any.

Cleaned BOLD, dual weights and predictions are single precision and hardly compress, so that they
follow from volumes, voxels, and how runs are held out. Features come on top: what a space writes
is known once it has run.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tristream.demands.job_demands import Demands
from tristream.demands.study_shapes import Shapes

if TYPE_CHECKING:
    from tristream.config.load import Resolved
    from tristream.config.models import EncodingModel

BYTES = 4
"""Of a value."""
REPORT, EACH = 3.3e6, 1.0e6
"""Bytes of pages and viewer; and of tables, maps and pages of each model and decoder of a
subject."""


def results_bytes(resolved: "Resolved", images: Mapping[str, int]) -> int:
    """Bytes that the results take, without features.

    Parameters
    ----------
    resolved : Resolved
        The checked study.
    images : mapping of dataset to int
        Bytes of the images of its chosen subjects; 0 where they are not known. Cleaned BOLD is
        about as large, where neither descriptor nor files tell volumes and voxels.
    """
    demands, shapes, found = Demands(resolved, {}), Shapes(resolved), REPORT
    for dataset, subjects in resolved.subjects.items():
        about, study = resolved.datasets[dataset], resolved.study
        models = {n: model for n, model in study.models.items() if dataset in model.datasets}
        decoders = [one for one in study.decoders.values() if dataset in one.datasets]
        for subject in subjects:
            shape = shapes.of(dataset, subject)
            bold = float(BYTES * shape.rows * shape.voxels)
            if images.get(dataset) and not (shape.exact or about.size):
                bold = images[dataset] / len(subjects)
            found += bold + EACH * (len(models) + len(decoders))
            for name, model in models.items():
                where = {"dataset": dataset, "subject": subject, "model": name}
                sizes = demands.sizes("encoding", where)
                kept = sizes.trained * _duals(model) + sizes.tested * (2 + len(model.bands))
                found += bold * kept / max(sizes.rows, 1)
    return round(found)


def _duals(model: "EncodingModel") -> int:
    """Sets of dual weights that are kept: one a band of a mean over candidates or of a stack."""
    if model.kind == "tcn":
        return 0
    averaged = model.kind == "stacking" or model.select == "average"
    return len(model.bands) if averaged else 1
