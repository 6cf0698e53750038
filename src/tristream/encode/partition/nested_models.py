"""Fit the nested models of one subject and write how their bands share the test variance."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tristream.align.exchange import Unit, why_too_short
from tristream.config.models import EncodingDesign
from tristream.config.settings.partition import PartitionSettings
from tristream.device import choose_device
from tristream.encode.encoding_file import Encoding, read_encoding
from tristream.encode.fit import beside, tested
from tristream.encode.fit_inputs import Inputs, read_inputs
from tristream.encode.freed_memory import return_freed_memory
from tristream.encode.jackknife import FEWEST_UNITS
from tristream.encode.mixture import Mixture
from tristream.encode.partition.partition_file import KIND, StoredPartition, write_partition
from tristream.encode.partition.parts_by_unit import parts_of_test
from tristream.encode.partition.variance import NestedRun, partition
from tristream.encode.repeats import left_out_of
from tristream.errors import UserError
from tristream.store import Omission, Provenance

PREDICTED_R = 0.2


def partition_subject(
    settings: PartitionSettings,
    encoding: Path,
    aligned: Sequence[Path],
    bold: Sequence[Path],
    samples: Path,
    output: Path,
    code: str = "",
) -> None:
    """Fit one model without each combination of bands, and write its `partition` file.

    Parameters
    ----------
    settings : PartitionSettings
        The model and its bands.
    encoding : Path
        The model fitted with all bands, whose predictions are used as they are.
    aligned, bold, samples
        What the model was fitted to, see :func:`tristream.encode.fit.fit_subject`.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If inputs do not fit together.
    """
    full, provenance = read_encoding(encoding, whole=False)
    return_freed_memory()
    inputs = read_inputs(settings.block, aligned, bold, samples, beside(output))
    chosen = [band for band in full.bands if band in settings.bands]
    if len(chosen) < len(settings.bands):
        raise UserError(f"{encoding}: has bands {', '.join(full.bands)}; fit the model again")
    device = choose_device(settings.device)
    runs = nested_runs(inputs, full, chosen, settings.block, device)
    groups = {
        "all voxels": np.ones(len(full.ijk), bool),
        f"voxels with r > {PREDICTED_R}": full.scores.r > PREDICTED_R,
    }
    found = partition(runs, left_out_of(inputs, full.tests), groups)
    omitted: tuple[Omission, ...] = ()
    if np.isnan(found.parts.low).all():
        why = f"{found.blocks} exchange units of test data; {FEWEST_UNITS} are asked for"
        omitted = (Omission("intervals of unique and shared variance", why),)
    by_unit = None
    if why := _why_no_parts(full, inputs.exchange):
        omitted += (Omission("parts by unit", why),)
    elif full.about["scheme"] == "holdout":
        by_unit = parts_of_test(runs, full.tests, inputs.exchange)
    else:
        # Not above: tests of held-out runs do without its solvers.
        from tristream.encode.partition.partition_folds import parts_in_both_roles

        by_unit = parts_in_both_roles(inputs, settings.block, full, chosen, runs)
    stored = StoredPartition(
        bands=chosen,
        rest=[band for band in full.bands if band not in chosen],
        groups=list(groups),
        found=found,
        ijk=full.ijk,
        by_unit=by_unit,
        picked=any(test.picked is not None for test in full.tests.values()),
        grayordinates=full.grayordinates,
    )
    key, methods = settings.key(), stored.methods()
    provenance = Provenance(KIND, provenance.simulated, key, code, omitted, methods)
    write_partition(output, stored, provenance)


def _why_no_parts(full: Encoding, unit: Unit) -> str:
    """Why it is not known what each exchangeable unit adds; empty where it is."""
    if full.about["scheme"] != "holdout" and full.about["model_kind"] != "banded_ridge":
        return (
            "under leave-one-run-out test data are training data of other folds, and what they add "
            "is known for banded_ridge alone"
        )
    return why_too_short(unit, {name: len(test.unit) for name, test in full.tests.items()})


def nested_runs(
    inputs: Inputs, full: Encoding, chosen: Sequence[str], model: EncodingDesign, device: str
) -> list[NestedRun]:
    """Test predictions of the model under every subset of the chosen bands, and how they arose.

    The other bands stay in. Without any band nothing is predicted. All are of each voxel's best
    candidate: a mean over candidates predicts less where there is nothing to predict, and the more
    so the more bands it has, so that useless bands would seem to add variance (of means 8 % of
    voxels without signal passed at .05, of best candidates 3 %).
    """
    predictions = {
        name: inputs.arrays.zeros((2 ** len(chosen), *test.y.shape))
        for name, test in full.tests.items()
    }
    last = 2 ** len(chosen) - 1
    models: dict[str, list[Mixture | None]] = {name: [None] * (last + 1) for name in full.tests}
    ridge = full.about["model_kind"] == "banded_ridge"
    model = model.model_copy(update={"select": "best"})
    subsets = range(last)
    for subset in tqdm(subsets, desc="nested models", mininterval=5, file=sys.stderr):
        dropped = {band for place, band in enumerate(chosen) if not subset >> place & 1}
        bands = [band for band in full.bands if band not in dropped]
        if bands:
            found = tested(_without(inputs, dropped), _model(model, bands), device)
            for name, test in found.items():
                predictions[name][subset] = test.prediction
                models[name][subset] = test.models if ridge else None
                inputs.arrays.forget()
    for name, test in full.tests.items():
        predictions[name][last] = test.best_prediction
        models[name][last] = test.models.best if ridge else None
    return [NestedRun(test.y, predictions[name], models[name]) for name, test in full.tests.items()]


def _without(inputs: Inputs, dropped: set[str]) -> Inputs:
    layout = {band: spaces for band, spaces in inputs.layout.items() if band not in dropped}
    used = {label for spaces in layout.values() for layers in spaces for label in layers}
    return replace(
        inputs,
        layout=layout,
        files={label: path for label, path in inputs.files.items() if label in used},
    )


def _model(model: EncodingDesign, bands: Sequence[str]) -> EncodingDesign:
    kernels = {band: kind for band, kind in model.kernels.items() if band in bands}
    return model.model_copy(
        update={"bands": {band: model.bands[band] for band in bands}, "kernels": kernels}
    )
