"""Predict the BOLD of a new stimulus from a fitted model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from tristream.align.resample import Piece, resample_timed
from tristream.config.models import Network
from tristream.encode.bands import Form, band_kernels
from tristream.encode.dual_weights import read_dual_weights
from tristream.encode.encoding_file import Encoding, TrainingRun, read_encoding
from tristream.encode.fit_inputs import Floats
from tristream.encode.network_model import network_features
from tristream.encode.tcn import Recording, predict, rebuild
from tristream.encode.training_features import TrainingFeatures
from tristream.errors import UserError
from tristream.features.core.feature_file import open_features
from tristream.space import grayordinates
from tristream.store import Provenance, create_h5

NEW = "new stimulus"


@dataclass(frozen=True)
class _Stimulus:
    """One layer's features of the new stimulus."""

    values: npt.NDArray[np.float32]
    times: npt.NDArray[np.float64]
    window: float
    simulated: bool

    @property
    def duration(self) -> float:
        return float(self.times[-1] + self.window / 2)


def predict_stimulus(
    encoding: Path,
    features: Sequence[Path],
    output: Path,
    stimulus: str | None = None,
    code: str = "",
) -> None:
    """Write the predicted BOLD of a film or sound, a kind `prediction` file.

    The file holds `times` (volumes,) in seconds from the start of the stimulus, `prediction`
    (volumes, voxels) in standard deviations of the training BOLD, `ijk` and `affine`. The
    stimulus is taken to start with the first volume; nothing was shown before.

    Parameters
    ----------
    encoding : Path
        A fitted model. The aligned training features that it names must be where they were, for
        the model is stored as weights of the training volumes, beside it.
    features : sequence of Path
        Feature files of the new stimulus, one for every ``space/layer`` of the model.
    output : Path
        The file to write.
    stimulus : str, optional
        Which stimulus of the feature files; needed if they hold several.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If a feature file is missing or of another width than in training, the training features
        have changed, or the dual weights were not kept.
    """
    fitted, provenance = read_encoding(encoding, whole=False)
    if fitted.about["control"] != "none":
        raise UserError(f"{encoding}: is a control, fitted to predict nothing; choose a model")
    labels = [label for spaces in fitted.about["layout"].values() for s in spaces for label in s]
    source = TrainingFeatures(fitted, encoding)
    training = {label: source(label) for label in labels}
    new = _read_stimulus(features, labels, stimulus)
    tr, start_time = fitted.about["tr"], fitted.about["start_time"]
    duration = min(s.duration for s in new.values())
    times = start_time + tr * np.arange(max(int(np.ceil((duration - start_time) / tr)), 1))
    for label, layer in new.items():
        piece = Piece(layer.values, layer.times, 0.0, layer.duration, 0.0)
        values = resample_timed(times, tr, [piece])
        width = next(iter(training[label].values())).shape[1]
        if values.shape[1] != width:
            raise UserError(
                f"{label}: {values.shape[1]} columns for the new stimulus, {width} in training; "
                "extract both with the same options"
            )
        training[label][NEW] = values
    if fitted.fitted.network:
        prediction = _predict_network(fitted, training, len(times))
    else:
        dual = read_dual_weights(encoding, fitted.fitted)
        prediction = _predict(fitted, dual, training, len(times))
    simulated = provenance.simulated or any(layer.simulated for layer in new.values())
    config = {"model": fitted.about["model"], "subject": fitted.about["subject"]}
    with create_h5(output, Provenance("prediction", simulated, config, code)) as file:
        file.attrs["tr"] = tr
        file["times"] = times
        file["prediction"] = prediction.astype(np.float32)
        file["ijk"], file["affine"], file["shape"] = fitted.ijk, fitted.affine, fitted.shape
        grayordinates.write(file, fitted.grayordinates)


def _predict(
    encoding: Encoding, dual: Floats, features: dict[str, dict[str, Floats]], volumes: int
) -> Floats:
    about, model = encoding.about, encoding.fitted
    everything = np.arange(volumes)
    new = TrainingRun(everything, np.zeros((volumes, 0)), np.ones(volumes, bool))
    runs = {**model.runs, NEW: new}
    kernels = band_kernels(
        lambda label: features[label],
        about["layout"],
        runs,
        list(model.runs),
        [NEW],
        about["delays"],
        about["components"] or None,
        form=Form.of(about),
    )
    # Stacking has dual weights of its own for each band.
    duals = torch.from_numpy(np.array(dual)).expand(len(model.gamma), *dual.shape[-2:])
    weights = torch.from_numpy(model.gamma)[:, None]
    parts = kernels.test[NEW].to(duals.dtype) @ duals * weights
    return parts.sum(0).numpy() + model.intercept


def _predict_network(
    encoding: Encoding, features: dict[str, dict[str, Floats]], volumes: int
) -> Floats:
    about, model = encoding.about, encoding.fitted
    everything = np.arange(volumes)
    rows = {name: run.rows for name, run in model.runs.items()} | {NEW: everything}
    x, before, _, _ = network_features(
        lambda label: features[label],
        about["layout"],
        rows,
        list(model.runs),
        about["components"] or None,
        about["items"],
    )
    network = rebuild(model.network, Network(**about["network"]))
    new = Recording(x[NEW], everything, np.zeros((volumes, 0)), before=before)
    return predict(network, new) + model.intercept


def _read_stimulus(
    paths: Sequence[Path], labels: Sequence[str], stimulus: str | None
) -> dict[str, _Stimulus]:
    found: dict[str, _Stimulus] = {}
    for path in paths:
        with open_features(path) as file:
            label = file.about.label
            if label not in labels:
                continue
            if not file.about.timed:
                raise UserError(f"{path}: features of items have no time; give a film or sound")
            known = list(file.stimuli)
            if stimulus is None and len(known) > 1:
                raise UserError(f"{path}: holds {', '.join(known)}; choose one with --stimulus")
            name = stimulus or known[0]
            if name not in known:
                raise UserError(f"{path}: no stimulus {name!r} among {', '.join(known)}")
            shown = file.stimuli[name]
            found[label] = _Stimulus(
                shown.values[()], shown.times, shown.window, file.provenance.simulated
            )
    missing = [label for label in labels if label not in found]
    if missing:
        raise UserError(f"no features of {', '.join(missing)} were given; the model needs them")
    return found
