"""CORnet-S: the published network's equations, its checkpoint's names, its size."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from helpers.features_study import FilmStudy
from helpers.watermarks import watermarked
from tristream.config.feature_spaces import FeatureSpace
from tristream.errors import UserError
from tristream.features.core import checked_space as spaces
from tristream.features.core.feature_file import open_features
from tristream.features.core.networks.image_processor import IMAGENET
from tristream.features.spaces.cornet_s import LAYERS, CornetOptions, cornet_s
from tristream.features.spaces.cornet_s import network as cornet
from tristream.media.films import frames

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def network() -> cornet.CORnetS:
    """Random weights and statistics, so that each time step's normalisation matters."""
    torch.manual_seed(1)
    network = cornet.untrained(1)
    for name, value in network.state_dict().items():
        if "norm" in name and value.is_floating_point():
            value.copy_(torch.rand_like(value) + (0.5 if name.endswith("var") else -0.2))
    return network


@pytest.fixture(scope="module")
def checkpoint(network: cornet.CORnetS, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as the published one: names of a data-parallel module, beside other entries."""
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    path = tmp_path_factory.mktemp("cornet") / "cornet_s.pth"
    torch.save({"state_dict": state, "epoch": 43, "optimizer": {"lr": 0.1}}, path)
    return path


def norm(x: torch.Tensor, state: State, name: str) -> torch.Tensor:
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"])


def published(x: torch.Tensor, state: State) -> dict[str, torch.Tensor]:
    """The paper's equations, written out on a checkpoint's tensors."""
    x = F.relu(norm(F.conv2d(x, state["V1.conv1.weight"], None, 2, 3), state, "V1.norm1"))
    x = F.max_pool2d(x, 3, 2, 1)
    x = F.relu(norm(F.conv2d(x, state["V1.conv2.weight"], None, 1, 1), state, "V1.norm2"))
    out = {"V1_t0": x}
    for area, times in (("V2", 2), ("V4", 4), ("IT", 2)):
        x = F.conv2d(x, state[f"{area}.conv_input.weight"])
        for t in range(times):
            if t == 0:
                skip = norm(
                    F.conv2d(x, state[f"{area}.skip.weight"], None, 2), state, f"{area}.norm_skip"
                )
            else:
                skip = x
            x = F.conv2d(x, state[f"{area}.conv1.weight"])
            x = F.relu(norm(x, state, f"{area}.norm1_{t}"))
            x = F.conv2d(x, state[f"{area}.conv2.weight"], None, 2 if t == 0 else 1, 1)
            x = F.relu(norm(x, state, f"{area}.norm2_{t}"))
            x = norm(F.conv2d(x, state[f"{area}.conv3.weight"]), state, f"{area}.norm3_{t}")
            x = F.relu(x + skip)
            out[f"{area}_t{t}"] = x
    flat = F.adaptive_avg_pool2d(x, 1).flatten(1)
    out["decoder"] = F.linear(flat, state["decoder.linear.weight"], state["decoder.linear.bias"])
    return out


def test_every_area_at_every_time_step(network: cornet.CORnetS) -> None:
    x = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        ours = network(x, LAYERS)
        theirs = published(x, network.state_dict())
    assert tuple(ours) == LAYERS == tuple(theirs)
    for layer in LAYERS:
        scale = float(theirs[layer].abs().max())
        torch.testing.assert_close(ours[layer], theirs[layer], atol=1e-5 * scale, rtol=1e-4)


def test_size_is_the_published(network: cornet.CORnetS) -> None:
    """53.4 million parameters; each area halves the picture."""
    assert sum(value.numel() for value in network.parameters()) == 53_416_616
    with torch.no_grad():
        states = network(torch.zeros(1, 3, 224, 224), LAYERS)
    assert {layer: tuple(states[layer].shape[1:]) for layer in LAYERS[:-1]} == {
        "V1_t0": (64, 56, 56),
        **dict.fromkeys(("V2_t0", "V2_t1"), (128, 28, 28)),
        **dict.fromkeys(("V4_t0", "V4_t1", "V4_t2", "V4_t3"), (256, 14, 14)),
        **dict.fromkeys(("IT_t0", "IT_t1"), (512, 7, 7)),
    }


def test_nothing_above_the_highest_layer_is_computed(network: cornet.CORnetS) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("V4 was computed")

    handle = network.get_submodule("V4").register_forward_pre_hook(fail)
    states = network(torch.zeros(1, 3, 64, 64), ("V2_t0", "V1_t0"))
    handle.remove()
    assert list(states) == ["V2_t0", "V1_t0"]


def run(film: Path, layers: tuple[str, ...], skip: int = 0, **options: Any) -> Any:
    found = CornetOptions(fps=4, batch=2, **options)
    notes: dict[str, Any] = {}
    chunks = list(cornet_s(film, layers, found, None, "cpu", notes=notes, skip=skip))
    return {n: np.concatenate([c[n].values for c in chunks]) for n in layers}, notes


def test_the_published_checkpoint_of_a_film(
    network: cornet.CORnetS, checkpoint: Path, tmp_path: Path
) -> None:
    film = watermarked(tmp_path / "film.mp4", 12)
    ours, notes = run(film, ("V4_t3", "decoder"), checkpoint=str(checkpoint), pooling="grid:2")
    assert "untrained" not in notes
    shown = np.stack([IMAGENET.pixels(image) for _, image in frames(film, fps=4)])
    with torch.no_grad():
        states = published(IMAGENET.tensor(torch.from_numpy(shown)), network.state_dict())
    cells = F.adaptive_avg_pool2d(states["V4_t3"], 2).flatten(1).numpy()
    np.testing.assert_allclose(ours["V4_t3"], cells, rtol=1e-3, atol=1e-4 * cells.max())
    decoder = states["decoder"].numpy()
    np.testing.assert_allclose(
        ours["decoder"], decoder, rtol=1e-3, atol=1e-4 * np.abs(decoder).max()
    )


def test_safetensors_of_the_checkpoint(network: cornet.CORnetS, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "cornet.safetensors"
    save_file(network.state_dict(), path)
    loaded = cornet.load(path).state_dict()
    torch.testing.assert_close(loaded["IT.norm3_1.bias"], network.state_dict()["IT.norm3_1.bias"])


def test_random_weights_must_be_asked_for_and_are_marked(tmp_path: Path) -> None:
    block = FeatureSpace(stream="ventral", extractor="cornet_s")
    with pytest.raises(UserError, match="ask for `untrained: true`"):
        spaces.check("net", block)
    film = watermarked(tmp_path / "stimuli/film.mp4", 12)
    space = {"stream": "ventral", "extractor": "cornet_s", "layers": ["V1_t0"]}
    options = {"untrained": True, "seed": 5, "fps": 4}
    study = FilmStudy(tmp_path, [film], {"net": {**space, "options": options}})
    with open_features(study.extract("net", "V1_t0")) as file:
        assert file.stimuli["film"].notes["untrained"]
        assert file.about.weights == []
        first = file.stimuli["film"].values[()]
    again, _ = run(film, ("V1_t0",), untrained=True, seed=5)
    np.testing.assert_array_equal(first, again["V1_t0"])


def test_the_file_names_the_checkpoint_and_follows_it(checkpoint: Path, tmp_path: Path) -> None:
    film = watermarked(tmp_path / "stimuli/film.mp4", 12)
    own = tmp_path / "own.pth"
    own.write_bytes(checkpoint.read_bytes())
    options = {"checkpoint": str(own), "fps": 4}
    space = {"stream": "ventral", "extractor": "cornet_s", "layers": ["V1_t0"], "options": options}
    study = FilmStudy(tmp_path, [film], {"net": space})
    with open_features(study.extract("net", "V1_t0")) as file:
        assert file.about.weights[0]["file"] == "own.pth"
        first = file.stimuli["film"].values[()]
    torch.save(cornet.untrained(9).state_dict(), own)
    with open_features(study.extract("net", "V1_t0")) as file:
        assert np.any(file.stimuli["film"].values[()] != first)


@pytest.mark.parametrize("kind", ["text", "other tensors", "code", "missing", "safetensors"])
def test_files_that_are_no_checkpoint(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("x.safetensors" if kind == "safetensors" else "x.pth")
    if kind in ("text", "safetensors"):
        path.write_text("nothing of the kind")
    elif kind == "other tensors":
        torch.save({"state_dict": {"module.V1.conv1.weight": torch.zeros(3)}}, path)
    elif kind == "code":

        class Evil:
            def __reduce__(self) -> tuple[Any, ...]:
                return (Path.touch, (tmp_path / "executed",))

        path.write_bytes(pickle.dumps({"state_dict": Evil()}, protocol=2))
    with pytest.raises(UserError, match=r"x\.(pth|safetensors): (does not hold|no such file)") as e:
        cornet.load(path)
    assert "\n" not in str(e.value)
    assert not (tmp_path / "executed").exists()
