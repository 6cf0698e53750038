"""The home of the `dual-weights` file: a model as weights of its training volumes.

With the aligned features it predicts new stimuli, has weights of features, and its test runs with
presentations in other places. It is half of what a fit writes, or more, and lies beside the
`encoding` file; it goes when tests have read it, unless the study has ``keep_weights: true``.
"""

import hashlib
from pathlib import Path

import numpy as np

from tristream.encode.disk_arrays import forget
from tristream.encode.encoding_file import Fitted
from tristream.encode.fit_inputs import Floats
from tristream.errors import UserError
from tristream.store import Provenance, create_h5, open_h5, read_mapped

KIND = "dual-weights"
# Rows that are written at a time: in one piece they would be copied.
ROWS = 512


def weights_path(encoding: Path) -> Path:
    """Where the dual weights of an `encoding` file lie."""
    return encoding.with_name(f"{encoding.stem}_weights.h5")


def write_dual_weights(
    encoding: Path, dual: Floats, fitted: Fitted, provenance: Provenance
) -> None:
    """Write the dual weights of a model beside its `encoding` file.

    Parameters
    ----------
    encoding : Path
        The `encoding` file.
    dual : ndarray of shape (n, voxels), or (bands, n, voxels)
        Over the used training volumes, runs in order; of stacking and of means of models for each
        band.
    fitted : Fitted
        The model that they belong to.
    provenance : Provenance
        Of the fit.
    """
    own = Provenance(KIND, provenance.simulated, provenance.config, provenance.code)
    with create_h5(weights_path(encoding), own) as file:
        file.attrs["fit"] = _identity(fitted)
        stored = file.create_dataset("dual", dual.shape, np.float32)
        for band in np.ndindex(dual.shape[:-2]):
            for start in range(0, stored.shape[-2], ROWS):
                stored[*band, start : start + ROWS] = dual[*band, start : start + ROWS]
                forget(dual)


def read_dual_weights(encoding: Path, fitted: Fitted) -> Floats:
    """Dual weights of a model, read from their file where they are asked for.

    They may be larger than all that is needed beside them.

    Parameters
    ----------
    encoding : Path
        The `encoding` file.
    fitted : Fitted
        What it holds.

    Raises
    ------
    UserError
        If they are not there, are damaged, or belong to another fit.
    """
    path = weights_path(encoding)
    if not path.is_file():
        raise UserError(
            f"{path}: the dual weights of {encoding.name} are not there: they go after their "
            "last use; make them again with `keep_weights: true`"
        )
    with open_h5(path, KIND) as (file, _):
        if file.attrs["fit"] != _identity(fitted):
            raise UserError(
                f"{path}: belongs to another fit than {encoding.name}; delete both and fit again"
            )
    return read_mapped(path, KIND, "dual")


def _identity(fitted: Fitted) -> str:
    """Digest of what no other fit has: intercepts and cross-validated scores."""
    digest = hashlib.sha256()
    for values in (fitted.intercept, fitted.cv):
        digest.update(np.ascontiguousarray(values, np.float32).tobytes())
    return digest.hexdigest()
