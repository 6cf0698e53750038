"""Kernels of the folds of a model that was tested by leave-one-run-out."""

from pathlib import Path

from tristream.encode.bands import BandKernels, Form, band_kernels
from tristream.encode.encoding_file import Encoding
from tristream.encode.training_features import TrainingFeatures


class FoldKernels:
    """Kernels of each fold, the training features in memory.

    Parameters
    ----------
    encoding : Encoding
        Tested by leave-one-run-out.
    path : Path
        Its file, for messages.

    Raises
    ------
    UserError
        If the training features are gone or have changed.
    """

    def __init__(self, encoding: Encoding, path: Path) -> None:
        self._encoding = encoding
        features = TrainingFeatures(encoding, path)
        layout = encoding.about["layout"].values()
        labels = {label for spaces in layout for layers in spaces for label in layers}
        self._features = {label: features(label) for label in labels}

    def without(self, name: str) -> tuple[list[str], BandKernels]:
        """All other runs, and their kernels with those of the run that is left out."""
        encoding = self._encoding
        train = [other for other in encoding.tests if other != name]
        kernels = band_kernels(
            lambda label: self._features[label],
            encoding.about["layout"],
            encoding.fitted.runs,
            train,
            [name],
            encoding.about["delays"],
            encoding.about["components"] or None,
            form=Form.of(encoding.about),
        )
        return train, kernels
