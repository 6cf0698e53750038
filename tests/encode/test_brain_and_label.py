"""The frozen readout is a ridge regression; our networks train; Grad-CAM finds planted patches."""

import numpy as np
import pytest
import torch
from himalaya.ridge import Ridge
from torch import nn

from tristream.encode import voxel_readout
from tristream.encode.brain_and_label import BrainAndLabelNetwork
from tristream.encode.joint_training import Stage, train_stage
from tristream.encode.readout_networks import LAYERS
from tristream.encode.voxel_readout import Labelled, WithReadout, fit_readout, read
from tristream.errors import UserError
from tristream.features.spaces.two_stream.network import Shape, TwoStream

N = 120
RUN = np.repeat([0, 1, 2], N // 3)
QUICK = {"label_epochs": 2, "epochs": 2, "device": "cpu"}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


def sounds(columns=64, frames=8, seed=0):
    """Windows whose upper bands are louder in one genre; a voxel follows the loudness."""
    rng = np.random.default_rng(seed)
    loud = rng.uniform(0.5, 1.5, N) * np.tile([1, -1], N // 2)
    x = rng.standard_normal((N, frames, columns))
    x[:, :, columns // 2 :] += loud[:, None, None]
    y = loud[:, None] * rng.standard_normal(10) + rng.standard_normal((N, 10))
    return x, np.where(loud > 0, "bright", "dull"), y


def films(size=16, seed=0):
    """Frames with a bright patch for one label, flow to the right for it, too."""
    rng = np.random.default_rng(seed)
    face = np.tile([True, False], N // 2)
    frames = rng.uniform(0, 0.5, (N, 3, size, size))
    frames[face, :, 10:14, 2:6] += 0.5
    flow = rng.standard_normal((N, 4, size, size))
    flow[face, :2] += 1
    y = np.outer(face, rng.standard_normal(10)) + rng.standard_normal((N, 10))
    return (frames, flow), np.where(face, "face", "house"), y


def test_frozen_is_a_ridge_regression_on_the_layer():
    x, labels, y = sounds()
    network = BrainAndLabelNetwork("tcn", regime="frozen", **QUICK).fit(x, labels, y, RUN)
    learn = network.left_out_ != RUN
    layer = network.transform(x).astype(float)
    z = (layer - layer[learn].mean(0)) / layer[learn].std(0)
    scaled = (y - y[learn].mean(0)) / y[learn].std(0)
    ridge = Ridge(alpha=network.alpha_, fit_intercept=True).fit(z[learn], scaled[learn])
    expected = ridge.predict(z) * y[learn].std(0) + y[learn].mean(0)
    np.testing.assert_allclose(network.predict(x), expected, atol=1e-4)
    errors = []
    for alpha in np.logspace(0, 6, 13):
        one = Ridge(alpha=alpha, fit_intercept=True).fit(z[learn], scaled[learn])
        errors.append(((one.predict(z[~learn]) - scaled[~learn]) ** 2).mean())
    assert network.alpha_ == pytest.approx(np.logspace(0, 6, 13)[np.argmin(errors)])
    # And the network is that which learnt labels alone.
    kept = network.label_network_.state_dict()
    for name, value in network.model_.network.state_dict().items():
        torch.testing.assert_close(value, kept[name])


class Given(nn.Module):
    """Units that nothing trains."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(2))

    def forward(self, x):
        return {"units": x, "scores": self.unused.expand(len(x), 2)}


def test_the_auxiliary_loss_has_its_least_at_ridge_regression(monkeypatch):
    rng = np.random.default_rng(0)
    units = rng.standard_normal((90, 5))
    y = units @ rng.standard_normal((5, 7)) + rng.standard_normal((90, 7))
    x, response = (torch.from_numpy(one.astype(np.float32)) for one in (units, y - y.mean(0)))
    label = torch.from_numpy(np.tile([0, 1], 45))
    learn = Labelled((x,), label, response)
    ridge, trained = (WithReadout(Given(), ("units",), 5, 7) for _ in range(2))
    monkeypatch.setattr(voxel_readout, "ALPHAS", (30.0,))
    assert fit_readout(ridge, learn, learn) == 30
    trained.load_state_dict(ridge.state_dict())
    nn.init.zeros_(trained.readout.weight)
    # Training ends where validation samples are what ridge regression makes of them.
    check = Labelled((x,), label, read(ridge, (x,))[1])
    curve, _ = train_stage(trained, learn, check, Stage(1.0, 30.0, 300, 300, 0.05, 90, 0))
    assert curve[0]["validation_brain"] > 0.3
    found, expected = trained.readout.weight, ridge.readout.weight
    assert (found - expected).abs().max() < 1e-3 * expected.abs().max()


@pytest.mark.parametrize("name", ["lstm", "crnn", "tcn"])
def test_audio_networks_learn_both(name):
    x, labels, y = sounds(33 if name == "lstm" else 64)
    network = BrainAndLabelNetwork(name, **{**QUICK, "label_epochs": 6}).fit(x, labels, y, RUN)
    assert network.model_.layers == LAYERS[name]
    assert network.predict(x).shape == y.shape
    held = network.left_out_ == RUN
    assert (network.predict_label(x[held]) == labels[held]).mean() > 0.8
    np.testing.assert_allclose(network.predict_proba(x).sum(1), 1, atol=1e-5)
    r = [
        np.corrcoef(a, b)[0, 1] for a, b in zip(network.predict(x[held]).T, y[held].T, strict=True)
    ]
    assert np.mean(np.abs(r)) > 0.2


def test_grad_cam_finds_the_bands_that_tell_genres():
    x, labels, y = sounds(frames=16)
    x = np.random.default_rng(1).standard_normal(x.shape)
    x[labels == "bright", :, 40:56] += 1.5
    network = BrainAndLabelNetwork("crnn", **{**QUICK, "label_epochs": 8}).fit(x, labels, y, RUN)
    heat = network.grad_cam(x[labels == "bright"], label="bright")
    assert heat.shape == (N // 2, 16, 64)
    inside = heat[:, :, 36:60].mean()
    assert inside > 3 * heat[:, :, :30].mean()
    none = {"label_epochs": 0, "epochs": 0, "device": "cpu"}
    tcn = BrainAndLabelNetwork("tcn", **none).fit(x, labels, y, RUN)
    assert tcn.grad_cam(x[:3]).shape == (3, 16)
    lstm = BrainAndLabelNetwork("lstm", **none).fit(x[:, :, :33], labels, y, RUN)
    with pytest.raises(UserError, match="needs the convolution of Lstm"):
        lstm.grad_cam(x[:3, :, :33])


def test_grad_cam_of_two_streams_finds_the_patch_that_label_and_voxel_follow():
    inputs, labels, y = films()
    y[:, 0] = 3 * (labels == "face")
    how = {**QUICK, "label_epochs": 8, "epochs": 4, "learning_rate": 3e-3}
    network = BrainAndLabelNetwork("two_stream", **how).fit(inputs, labels, y, RUN)
    shown = tuple(one[labels == "face"] for one in inputs)
    for what in ({"label": "face"}, {"voxel": 0}):
        heat = network.grad_cam(shown, **what).mean(0)
        assert heat.shape == (16, 16)
        patch = heat[10:14, 2:6].mean()
        print(what, patch, heat.mean())
        assert patch > 2 * heat.mean()
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        assert 8 <= row <= 15
        assert 0 <= column <= 7


def test_a_trained_network_is_copied_and_keeps_its_classes():
    inputs, labels, y = films()
    mine = TwoStream(Shape(("cat", "face", "house"), 12, 16, 2, True)).requires_grad_(False)
    before = {name: value.clone() for name, value in mine.state_dict().items()}
    network = BrainAndLabelNetwork(mine, **QUICK, classes=mine.shape.classes)
    network.fit(inputs, labels, y, RUN)
    assert network.predict_proba(inputs).shape == (N, 3)
    assert network.best_epoch_ > 0
    for name, value in mine.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_equal_seeds_give_equal_networks():
    x, labels, y = sounds()
    one, other, third = (
        BrainAndLabelNetwork("tcn", **QUICK, seed=seed).fit(x, labels, y, RUN).predict(x)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, other)
    assert np.abs(one - third).max() > 1e-3


def test_items_of_the_run_that_ends_training_are_not_learnt():
    x, labels, y = sounds()
    network = BrainAndLabelNetwork("tcn", regime="frozen", **QUICK).fit(x, labels, y, RUN)
    items = np.arange(N)
    learnt = np.flatnonzero(network.left_out_ != RUN)[:20]
    items[learnt] = np.flatnonzero(network.left_out_ == RUN)[:20]
    other = y.copy()
    other[learnt] = 1e3
    found = [network.fit(x, labels, one, RUN, items=items).predict(x) for one in (y, other)]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"regime": "thawed"}, "regime: 'thawed' is none of frozen, staged, joint"),
        ({"network": "mlp"}, "network: 'mlp' is none of two_stream"),
        ({"network": "lstm"}, r"lstm takes windows \(frames, 33\) of descriptors"),
        ({"network": "two_stream"}, "two_stream takes frames"),
        ({"network": nn.Linear(3, 3)}, "layers: name those of Linear"),
        ({"layers": ("conv9",)}, "layers: the network has no 'conv9'; it has"),
        ({"classes": ("dull",)}, "labels: 'bright' is none of the classes dull"),
        ({"runs": np.zeros(N)}, "runs: there is one"),
        ({"runs": RUN[1:]}, "runs: 119 for 120 responses"),
        ({"labels": ["bright"] * N}, "labels: all are 'bright'"),
        ({"responses": np.full((N, 2), np.nan)}, "responses: some are not finite"),
        ({"responses": np.zeros(N)}, r"responses: have shape \(120,\)"),
        ({"inputs": np.full((N, 8, 64), np.inf)}, "inputs: some values are not finite"),
        ({"items": np.zeros(N)}, "shows all that there are; give groups of items as runs"),
    ],
)
def test_what_can_not_be_learnt_is_refused(change, message):
    x, labels, y = sounds()
    given = {"inputs": x, "labels": labels, "responses": y, "runs": RUN}
    own = {"network": "tcn", **QUICK}
    for name, value in change.items():
        (given if name in (*given, "items") else own)[name] = value
    with pytest.raises(UserError, match=message):
        BrainAndLabelNetwork(**own).fit(**given)


def test_a_label_of_the_run_that_ends_training_alone_is_refused():
    x, labels, y = sounds()
    network = BrainAndLabelNetwork("tcn", **QUICK).fit(x, labels, y, RUN)
    own = np.where(network.left_out_ == RUN, "loud", labels)
    with pytest.raises(UserError, match=r"'loud' is in run \d alone"):
        network.fit(x, own, y, RUN)
    network.fit(x, labels, y, RUN)
    with pytest.raises(UserError, match="label: 'loud' is none of bright, dull"):
        network.grad_cam(x[:2], label="loud")
