"""The kinds of encoding model by their name in the configuration."""

from collections.abc import Sequence
from typing import Any

from tristream.config.delays import in_volumes
from tristream.config.models import EncodingDesign
from tristream.encode.fit_inputs import Inputs
from tristream.encode.model_kind import Model, ModelKind, Progress, penalties
from tristream.encode.network_model import fit_tcn, tcn_methods
from tristream.encode.ridge_models import (
    banded_methods,
    fit_banded,
    fit_stacking,
    stacking_methods,
)

KINDS: dict[str, ModelKind] = {
    "banded_ridge": ModelKind(fit_banded, banded_methods),
    "stacking": ModelKind(fit_stacking, stacking_methods),
    "tcn": ModelKind(fit_tcn, tcn_methods),
}


def fit_model(
    inputs: Inputs,
    model: EncodingDesign,
    train: Sequence[str],
    test: Sequence[str],
    device: str,
    progress: Progress = iter,
) -> Model:
    """Fit a model of the configured kind.

    Parameters
    ----------
    inputs : Inputs
    model : EncodingDesign
        As configured.
    train, test : sequence of str
        Names of runs: to fit on, and to be predicted later.
    device : str
        Where to compute.
    progress : callable, optional
        Wraps the longest loop.

    Raises
    ------
    UserError
        If a layer does not vary over the training runs, or the kind can't do what is asked.
    """
    return KINDS[model.kind].fit(inputs, model, train, test, device, progress)


def attributes_of(model: EncodingDesign, fitted: Model, tr: float) -> dict[str, Any]:
    """How a model is made and was found: attributes of its file, for those who rebuild it.

    Delays are in volumes of `tr` seconds.
    """
    network = {"network": model.network.model_dump()} if model.kind == "tcn" else {}
    return {
        **network,
        "model_kind": model.kind,
        "hrf": model.hrf,
        "kernels": dict(model.kernels),
        "delays": in_volumes(model.delays, tr),
        "alphas": penalties(model).tolist(),
        "components": model.components or 0,
        "control": model.control,
        "seed": model.seed,
        **fitted.solution,
    }
