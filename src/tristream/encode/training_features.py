"""The features of a fitted model, from the aligned files that it names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tristream.align.aligned import read_aligned
from tristream.encode.encoding_file import Encoding
from tristream.encode.fit_inputs import Floats, shifted
from tristream.errors import UserError
from tristream.hashing import hash_file


class Stimulated(Protocol):
    """What is needed of a run: at which volumes anything was shown."""

    @property
    def stimulated(self) -> npt.NDArray[np.bool_]: ...


class TrainingFeatures:
    """Aligned features of the runs that a model was fitted to, checked to be those of the fit.

    Parameters
    ----------
    encoding : Encoding
        A fitted model.
    path : Path
        Its file, for messages.
    """

    def __init__(self, encoding: Encoding, path: Path) -> None:
        self._encoding = encoding
        self._path = path

    def __call__(self, label: str) -> dict[str, Floats]:
        """Training run to array (volumes, p) of ``space/layer``; see :meth:`of`."""
        return self.of(label, self._encoding.fitted.runs)

    def of(self, label: str, runs: Mapping[str, Stimulated]) -> dict[str, Floats]:
        """Run to array (volumes, p) of ``space/layer``.

        Parameters
        ----------
        label : str
        runs : mapping of str to run
            Which ones.

        Raises
        ------
        UserError
            If the file is gone or has changed since.
        """
        source = self._encoding.about["features"][label]
        aligned = Path(source["path"])
        if not aligned.is_file():
            raise UserError(
                f"{self._path}: the model needs its training features {aligned}; run the workflow "
                "again, and call this from the folder in which it runs"
            )
        if hash_file(aligned) != source["sha256"]:
            raise UserError(
                f"{aligned}: has changed since {self._path} was fitted to it; fit the model again"
            )
        by_run = read_aligned(aligned)
        moved = self._encoding.about["control"] == "shifted"
        return {
            name: shifted(by_run[name], run.stimulated) if moved else by_run[name]
            for name, run in runs.items()
        }
