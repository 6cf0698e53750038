"""What units add to unique and shared variance under leave-one-run-out."""

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from tristream.config.models import EncodingDesign
from tristream.encode.bands import BandKernels
from tristream.encode.encoding_file import Encoding
from tristream.encode.fit_inputs import Inputs
from tristream.encode.partition.parts_by_unit import PartsByUnit, parts_of_test, units_of
from tristream.encode.partition.variance import NestedRun, commonality
from tristream.encode.prediction_scores import centred
from tristream.encode.ridge_models import kernels_of
from tristream.encode.unit_parts import LinearFold, UnitParts, add_training_parts

Floats = npt.NDArray[np.floating]


def parts_in_both_roles(
    inputs: Inputs,
    model: EncodingDesign,
    full: Encoding,
    chosen: Sequence[str],
    runs: Sequence[NestedRun],
) -> PartsByUnit:
    """Parts by units as test data and as training data of the other folds.

    Parameters
    ----------
    inputs : Inputs
        What the models were fitted to.
    model : EncodingDesign
        With all bands.
    full : Encoding
        The model of all bands.
    chosen : sequence of str
        The bands whose parts are distinguished.
    runs : sequence of NestedRun
        Predictions and hyperparameters of the nested models.
    """
    as_test = parts_of_test(runs, full.tests, inputs.exchange)
    units = dict(zip(full.tests, units_of(full.tests, inputs.exchange), strict=True))
    subsets = len(runs[0].predictions)
    totals = [UnitParts(as_test.parts.shape[1], len(full.ijk)) for _ in range(subsets)]
    names = list(full.tests)
    for name, run in zip(names, tqdm(runs, desc="units", file=sys.stderr), strict=True):
        train = [other for other in names if other != name]
        kernels = kernels_of(inputs, model, train, [name], "cpu")
        for subset, models in enumerate(run.models):
            if models is None:
                continue
            fold = LinearFold(
                _of_bands(kernels, full.bands, chosen, subset),
                models,
                np.concatenate([full.tests[other].y for other in train]),
                np.concatenate([units[other] for other in train]),
                units[name],
            )
            add_training_parts(totals[subset], fold, _slope(run, subset) / len(runs))
    as_training = commonality(np.stack([one.parts for one in totals]))
    pairs = commonality(np.stack([one.pairs for one in totals]))
    parts = as_test.parts + as_training
    # They add up to the values, of which the units have their parts twice.
    parts -= (parts.sum(1) - as_test.parts.sum(1))[:, None] / parts.shape[1]
    return replace(as_test, parts=parts.astype(np.float32), pairs=pairs.astype(np.float32))


def _of_bands(
    kernels: BandKernels, bands: Sequence[str], chosen: Sequence[str], subset: int
) -> BandKernels:
    """Kernels of the bands of a nested model; those of a band do not depend on the others."""
    dropped = {band for place, band in enumerate(chosen) if not subset >> place & 1}
    kept = [place for place, band in enumerate(bands) if band not in dropped]
    test = {name: kernel[kept] for name, kernel in kernels.test.items()}
    return BandKernels(kernels.train[kept], test, kernels.constant)


def _slope(run: NestedRun, subset: int) -> Floats:
    """How R² grows with the prediction of each sample, (time, voxels)."""
    y, p = centred(run.y), centred(run.predictions[subset])
    spread = (y**2).sum(0)
    return np.divide(2 * (y - p), spread, out=np.zeros_like(y), where=spread > 0)
