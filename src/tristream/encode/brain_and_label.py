"""Networks that learn labels and brain responses together, in one of three regimes."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator
from torch import nn

from tristream.device import choose_device
from tristream.encode.joint_training import Stage, train_stage
from tristream.encode.readout_networks import begin, convolution_of, layers_of
from tristream.encode.voxel_readout import (
    Labelled,
    WithReadout,
    fit_readout,
    label_scores,
    read,
    tensors_of,
)
from tristream.errors import UserError

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Regime = Literal["frozen", "staged", "joint"]
REGIMES: tuple[Regime, ...] = get_args(Regime)


class BrainAndLabelNetwork(BaseEstimator):
    """A network that names stimuli, with a linear readout of voxels from an intermediate layer.

    It learns labels first, alone, and then by the regime:

    - ``frozen``: the network stays as it is; the readout is fitted by ridge regression;
    - ``staged``: the readout is fitted first; then readout and network learn together, by the
      cross-entropy of the labels and, weighted, the squared error of the voxels (Federer et al.
      2020; Safarani et al. 2021);
    - ``joint``: both learn together from the beginning, the readout from zero.

    After each regime the readout is fitted once more by ridge regression, so that regimes differ
    by what the layer holds alone. One of the runs that `fit` gets, drawn by the seed, ends training
    and chooses the penalty of the readout; nothing is fitted to it.

    Parameters
    ----------
    network : {'two_stream', 'lstm', 'crnn', 'tcn'} or torch.nn.Module
        One with random weights: frames and flow
        (:class:`tristream.features.spaces.two_stream.network.TwoStream`), or windows of sound
        (:mod:`tristream.genre.networks`). Or any that is given, such as a trained one, of which a
        copy is trained: called with the inputs, it gives a dict of layers, (n, units) each, with
        ``scores`` before softmax (n, classes) or ``fusion``, probabilities, among them.
    layers : sequence of str, optional
        Layers that voxels are read from, side by side. Default: both streams; ``lstm1``, ``conv4``
        or ``block4`` of an audio network.
    regime : {'frozen', 'staged', 'joint'}
    weight : float
        Of the voxels' mean squared error, in units of their variance, beside the cross-entropy.
    label_epochs : int
        The most epochs on labels alone; 0 for a network that has learnt them.
    epochs : int
        The most epochs on both.
    patience : int
        Epochs without a lower loss of the left-out run that end either.
    learning_rate : float
        Of AdamW; it falls along half a cosine.
    batch : int
        Samples of a batch, about.
    classes : sequence of str, optional
        Labels in the order of the network's scores. Default: those that there are, sorted.
    device : str
        ``auto``, ``cpu`` or ``cuda``. The fitted network is on the CPU.
    seed : int
        Of first weights, the run that is left out, batches and dropout.

    Attributes
    ----------
    model_ : WithReadout
        ``model_.network`` and ``model_.readout``, fitted.
    first_ : WithReadout
        With the weights that it began with.
    label_network_ : torch.nn.Module
        After labels alone: where all regimes of a seed begin.
    left_out_ : object
        The run that ended training.
    alpha_ : float
        Penalty of the readout, for z-scored units and voxels.
    label_curve_, curve_ : list of dict
        Losses of the left-out run by epoch, on labels alone and on both.
    best_epoch_ : int
        Of training on both; 0: none helped, or the regime is ``frozen``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> windows = rng.standard_normal((60, 16, 64)).astype("float32")
    >>> labels, runs = np.tile(["jazz", "rock"], 30), np.repeat([0, 1, 2], 20)
    >>> bold = rng.standard_normal((60, 40))
    >>> network = BrainAndLabelNetwork("tcn", label_epochs=1, epochs=1, device="cpu")
    >>> network.fit(windows, labels, bold, runs).predict(windows).shape
    (60, 40)
    """

    def __init__(
        self,
        network: str | nn.Module = "crnn",
        layers: Sequence[str] | None = None,
        regime: Regime = "joint",
        weight: float = 1.0,
        label_epochs: int = 30,
        epochs: int = 30,
        patience: int = 8,
        learning_rate: float = 1e-3,
        batch: int = 32,
        classes: Sequence[str] | None = None,
        device: str = "auto",
        seed: int = 0,
    ) -> None:
        self.network = network
        self.layers = layers
        self.regime: Regime = regime
        self.weight = weight
        self.label_epochs = label_epochs
        self.epochs = epochs
        self.patience = patience
        self.learning_rate = learning_rate
        self.batch = batch
        self.classes = classes
        self.device = device
        self.seed = seed

    def fit(
        self,
        inputs: Any,
        labels: Sequence[str],
        responses: Any,
        runs: Sequence[Any],
        items: Sequence[Any] | None = None,
    ) -> Self:
        """Train on samples: each is what was shown or heard, its label, and the brain's response.

        Parameters
        ----------
        inputs : array of shape (n, …), or tuple of such
            What the network takes, the delay of the response accounted for. ``two_stream``: frames
            (n, 3, size, size) from 0 to 1 and flow (n, 2 stack, size, size) in pixels a frame.
            Audio networks: windows (n, frames, columns), as
            :func:`tristream.genre.windows.sound_windows` gives them.
        labels : sequence of str, length n
        responses : array of shape (n, voxels)
            Cleaned, and comparable between runs.
        runs : sequence of length n
            Two different ones at least. Where each run shows the same items, give groups of items,
            so that what ends training is new to the network.
        items : sequence of length n, optional
            What each sample shows; nothing is learnt from showings of items of the left-out run.

        Raises
        ------
        UserError
            If arrays don't fit each other or the network, values are not finite, there is one run,
            or a label is in the left-out run alone.
        """
        if self.regime not in REGIMES:
            raise UserError(f"regime: {self.regime!r} is none of {', '.join(REGIMES)}")
        checked = _checked(inputs, labels, responses, runs, self.classes)
        learn, check = self._sides(checked, items)
        self.classes_ = checked.classes
        self.y_mean_ = checked.responses[learn].mean(0)
        spread = checked.responses[learn].std(0)
        self.y_scale_ = np.where(spread > 1e-9, spread, 1.0)
        z = ((checked.responses - self.y_mean_) / self.y_scale_).astype(np.float32)
        whole = Labelled(checked.inputs, torch.from_numpy(checked.label), torch.from_numpy(z))
        device = choose_device(self.device)
        model = self._begin(whole, learn).to(device)
        self.first_ = deepcopy(model).cpu()
        sides = (whole.of(learn), whole.of(check))
        self.label_curve_, _ = train_stage(model, *sides, self._stage(0.0, 0.0, self.label_epochs))
        self.label_network_ = deepcopy(model.network).cpu()
        self._learn_both(model, *sides)
        self.model_ = model.cpu().eval()
        return self

    def predict(self, inputs: Any) -> Floats:
        """Responses to stimuli, (n, voxels), in the voxels' own scale."""
        found = read(self.model_, tensors_of(inputs))[1].double().numpy()
        return np.asarray(found * self.y_scale_ + self.y_mean_)

    def predict_proba(self, inputs: Any) -> Floats:
        """Probabilities of the labels in `classes_`, (n, classes)."""
        return np.asarray(read(self.model_, tensors_of(inputs))[0].softmax(1).numpy())

    def predict_label(self, inputs: Any) -> npt.NDArray[np.str_]:
        """The label of each stimulus, (n,)."""
        return np.array(self.classes_)[self.predict_proba(inputs).argmax(1)]

    def transform(self, inputs: Any) -> Floats:
        """Layers that the voxels are read from, side by side, (n, units)."""
        return np.asarray(read(self.model_, tensors_of(inputs))[2].numpy())

    def grad_cam(
        self,
        inputs: Any,
        label: str | None = None,
        voxel: int | None = None,
        module: nn.Module | None = None,
    ) -> Floats:
        """Where in the stimulus the evidence lies, for a label or a voxel (Selvaraju et al. 2017).

        Parameters
        ----------
        inputs : array of shape (n, …), or tuple of such
        label : str, optional
            Default: for each stimulus the one with the highest score.
        voxel : int, optional
            In place of a label: where what raises this voxel's predicted response lies.
        module : torch.nn.Module, optional
            A module of ``model_.network`` that gives maps (n, channels, …). Default: the last
            convolution; of the two streams, that of the frames.

        Returns
        -------
        ndarray of shape (n, frames, bands), (n, frames) or (n, size, size)
            The positive part of the maps, each weighted by the mean gradient; scaled up to the
            first input.

        Raises
        ------
        UserError
            If the network has no convolution, the label is unknown, or captum is not installed.
        """
        from tristream.encode.readout_gradcam import weigh_maps

        if label is not None and label not in self.classes_:
            raise UserError(f"label: {label!r} is none of {', '.join(self.classes_)}")
        model = self.model_
        tensors = tensors_of(inputs)
        at = torch.from_numpy(self.predict_proba(inputs).argmax(1))
        if label is not None:
            at = torch.full_like(at, self.classes_.index(label))

        def evidence(*parts: torch.Tensor) -> torch.Tensor:
            if voxel is not None:
                return model(*parts)[1][:, voxel]
            return label_scores(model.network(*parts)).gather(1, at[:, None])[:, 0]

        return weigh_maps(evidence, module or convolution_of(model.network), tensors)

    def _sides(self, checked: "_Checked", items: Sequence[Any] | None) -> tuple[Ints, Ints]:
        """Samples to learn from, and of the run that ends training."""
        names = np.unique(checked.runs)
        if len(names) < 2:
            raise UserError("runs: there is one; two are needed, one of which ends training")
        self.left_out_ = np.random.default_rng(self.seed).permutation(names)[0]
        check = checked.runs == self.left_out_
        learn = ~check
        if items is not None:
            shown = np.asarray(items)
            learn &= ~np.isin(shown, shown[check])
        if not learn.any():
            raise UserError(
                f"items: run {self.left_out_} shows all that there are; give groups of items as "
                "runs"
            )
        missing = set(checked.label[check]) - set(checked.label[learn])
        if missing:
            raise UserError(
                f"labels: {checked.classes[min(missing)]!r} is in run {self.left_out_} alone, "
                "which ends training; drop the label, or join runs"
            )
        return np.flatnonzero(learn), np.flatnonzero(check)

    def _begin(self, whole: Labelled, learn: Ints) -> WithReadout:
        network = begin(self.network, whole.inputs, learn, self.classes_, self.seed)
        layers = layers_of(self.network, self.layers)
        network.eval()
        with torch.no_grad():
            found = network(
                *(one[learn[:2]].to(next(network.parameters())) for one in whole.inputs)
            )
        if lost := [name for name in layers if name not in found]:
            raise UserError(f"layers: the network has no {lost[0]!r}; it has {', '.join(found)}")
        if label_scores(found).shape[1] != len(self.classes_):
            raise UserError(
                f"network: gives scores of {label_scores(found).shape[1]} classes, but there are "
                f"{len(self.classes_)} labels; name its classes"
            )
        units = sum(found[name].shape[1] for name in layers)
        return WithReadout(network, layers, units, whole.response.shape[1])

    def _learn_both(self, model: WithReadout, learn: Labelled, check: Labelled) -> None:
        """What the regime does after labels were learnt."""
        self.curve_: list[dict[str, float]] = []
        self.best_epoch_ = 0
        self.alpha_ = fit_readout(model, learn, check)
        if self.regime == "frozen":
            return
        if self.regime == "joint":
            nn.init.zeros_(model.readout.weight)
            nn.init.zeros_(model.readout.bias)
        stage = self._stage(self.weight, self.alpha_, self.epochs)
        self.curve_, self.best_epoch_ = train_stage(model, learn, check, stage)
        self.alpha_ = fit_readout(model, learn, check)

    def _stage(self, weight: float, penalty: float, epochs: int) -> Stage:
        return Stage(
            weight, penalty, epochs, self.patience, self.learning_rate, self.batch, self.seed
        )


@dataclass(frozen=True)
class _Checked:
    """Arguments of `fit` that fit each other."""

    inputs: tuple[torch.Tensor, ...]
    label: Ints
    classes: tuple[str, ...]
    responses: Floats
    runs: npt.NDArray[Any]


def _checked(
    inputs: Any,
    labels: Sequence[str],
    responses: Any,
    runs: Sequence[Any],
    classes: Sequence[str] | None,
) -> _Checked:
    tensors = tensors_of(inputs)
    y = np.asarray(responses, np.float64)
    names, run = [str(label) for label in labels], np.asarray(runs)
    if y.ndim != 2:
        raise UserError(f"responses: have shape {y.shape}; they are (samples, voxels)")
    lengths = {"labels": len(names), "runs": len(run)}
    lengths |= {f"inputs[{i}]": len(one) for i, one in enumerate(tensors)}
    for what, length in lengths.items():
        if length != len(y):
            raise UserError(f"{what}: {length} for {len(y)} responses; give one for each")
    if not np.isfinite(y).all():
        raise UserError("responses: some are not finite; leave their samples or voxels out")
    if not all(torch.isfinite(one).all() for one in tensors):
        raise UserError("inputs: some values are not finite; leave their samples out")
    known = tuple(classes) if classes is not None else tuple(sorted(set(names)))
    if unknown := sorted(set(names) - set(known)):
        raise UserError(f"labels: {unknown[0]!r} is none of the classes {', '.join(known)}")
    if len(set(names)) < 2:
        raise UserError(f"labels: all are {names[0]!r}; two different ones are needed")
    label = np.array([known.index(name) for name in names])
    return _Checked(tensors, label, known, y, run)
