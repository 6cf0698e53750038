"""The checkpoint is read whole, the network is musicnn's, the windows stand at their times."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from tristream.errors import UserError
from tristream.features.core import registry
from tristream.features.core.audio.sound_stream import Track
from tristream.features.spaces.musicnn import (
    FOLDER,
    FRAMES,
    HOP,
    RATE,
    log_mel,
    samples_of,
    window_starts,
)
from tristream.features.spaces.musicnn.checkpoint import read_checkpoint
from tristream.features.spaces.musicnn.network import TAGS, Musicnn
from tristream.media.librosa_loader import load_librosa


@pytest.fixture(scope="module")
def weights(extractor_weights: Callable[[str], Path]) -> Path:
    return extractor_weights("musicnn")


@pytest.fixture(scope="module")
def variables(weights: Path) -> dict[str, np.ndarray]:
    return read_checkpoint(weights / FOLDER)


@pytest.fixture(scope="module")
def network(variables: dict[str, np.ndarray]) -> Musicnn:
    return Musicnn(variables)


def test_checkpoint_holds_the_network(variables: dict[str, np.ndarray]) -> None:
    own = {n: v for n, v in variables.items() if "Adam" not in n and not n.startswith("beta")}
    assert sum(v.size for n, v in own.items() if "moving" not in n) == 787_159
    assert variables["conv2d_1/kernel"].shape == (7, 67, 1, 204)
    assert all(np.isfinite(v).all() for v in own.values())
    assert (variables["batch_normalization_9/moving_variance"] > 0).all()


def test_every_variable_is_used(variables: dict[str, np.ndarray]) -> None:
    lacking = {n: v for n, v in variables.items() if n != "dense_1/bias"}
    with pytest.raises(ValueError, match="no variable dense_1/bias"):
        Musicnn(lacking)
    with pytest.raises(ValueError, match="unknown variables: conv2d_8/bias"):
        Musicnn({**variables, "conv2d_8/bias": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match="dense/bias has shape"):
        Musicnn({**variables, "dense/bias": np.zeros(3, np.float32)})


def test_layers_have_the_shapes_of_the_original(network: Musicnn) -> None:
    shapes = {k: tuple(v.shape) for k, v in network(torch.zeros(2, FRAMES, 96)).items()}
    assert shapes == {
        "timbral": (2, 187, 408),
        "temporal": (2, 187, 153),
        "cnn1": (2, 187, 64),
        "cnn2": (2, 187, 64),
        "cnn3": (2, 187, 64),
        "mean_pool": (2, 753),
        "max_pool": (2, 753),
        "penultimate": (2, 200),
        "tags": (2, 50),
    }


def test_one_temporal_filter_by_hand(network: Musicnn, variables: dict[str, np.ndarray]) -> None:
    """The original's order (pad, convolve, rectify, normalise, maximum) in plain numpy."""
    x = np.random.default_rng(0).random((FRAMES, 96))

    def normalise(name: str, x: np.ndarray, i: int) -> np.ndarray:
        mean, variance, gamma, beta = (
            float(variables[f"{name}/{k}"][i])
            for k in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    inner = normalise("batch_normalization", x, 0)
    padded = np.pad(inner, ((63, 64), (0, 0)))  # "same" for an even length of 128
    kernel, bias = variables["conv2d_2/kernel"][:, 0, 0, 7], variables["conv2d_2/bias"][7]
    windows = np.lib.stride_tricks.sliding_window_view(padded, 128, axis=0)
    expected = normalise("batch_normalization_3", np.maximum(windows @ kernel + bias, 0), 7).max(1)
    found = network(torch.tensor(x[None], dtype=torch.float32))["temporal"][0, :, 7]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_window_starts() -> None:
    assert window_starts(RATE * 10, 1.0) == [0, 62, 125, 188, 250, 312, 375, 438]
    assert window_starts(RATE, 1.0) == [0]
    last = window_starts(RATE * 60, 0.5)[-1]
    assert last + FRAMES <= 60 * RATE // HOP + 1


def spectrogram_of(sound: np.ndarray, starts: list[int]) -> np.ndarray:
    return log_mel(next(Track.of(sound, RATE).segments([samples_of(starts)])))


def test_windows_do_not_depend_on_their_neighbours() -> None:
    sound = np.random.default_rng(0).standard_normal(RATE * 12).astype(np.float32)
    starts = window_starts(len(sound), 1.0)
    together = spectrogram_of(sound, starts)
    for i in (0, 4, len(starts) - 1):
        alone = spectrogram_of(sound, [starts[i]])
        np.testing.assert_allclose(alone, together[starts[i] :][:FRAMES], atol=1e-5)


def test_windows_that_overlap_equal_windows_by_themselves(network: Musicnn) -> None:
    spectrogram = torch.rand(700, 96, generator=torch.Generator().manual_seed(0))
    starts = [100, 162, 225, 400]
    together = network.overlapping(spectrogram[: 300 + FRAMES], starts)
    windows = torch.stack([spectrogram[s - 100 :][:FRAMES] for s in starts])
    for layer, expected in network(windows).items():
        torch.testing.assert_close(together[layer], expected, atol=1e-5, rtol=1e-5)


def test_maximum_before_normalisation_is_the_one_after(network: Musicnn) -> None:
    x = torch.rand(1, 1, 40, 96, generator=torch.Generator().manual_seed(0))
    assert any((block.normalisation.weight < 0).any() for block in network.timbral)
    for block in network.timbral:
        expected = block(x, 0, 0).amax(3)
        torch.testing.assert_close(block.peaks(x), expected, atol=1e-5, rtol=1e-5)


def test_spectrogram_is_the_originals() -> None:
    librosa = load_librosa()
    sound = np.random.default_rng(0).standard_normal(RATE * 5).astype(np.float32) * 0.1
    mel = librosa.feature.melspectrogram(y=sound, sr=RATE, hop_length=HOP, n_fft=512, n_mels=96)
    original = np.log10(10000 * mel.T.astype(np.float16).astype(np.float32) + 1)
    ours = spectrogram_of(sound, [0, 62])
    np.testing.assert_allclose(ours, original[: 62 + FRAMES], atol=2e-3)


def test_top_tags_of_a_real_film(trailer: Path, weights: Path) -> None:
    """Regression values, measured with this network: orchestral music, quiet."""
    found = registry.get("musicnn")
    options = found.options(hop=4)
    blocks = list(found(trailer, ("tags", "cnn3"), options, weights, "cpu"))
    tags = np.concatenate([b["tags"].values for b in blocks])
    times = np.concatenate([b["tags"].times for b in blocks])
    assert blocks[0]["cnn3"].values.shape == (len(tags), 64)
    np.testing.assert_allclose(times, 1.488 + 4 * np.arange(len(tags)))
    assert found.names("tags", options, 50) == TAGS
    mean = dict(zip(TAGS, tags.mean(0), strict=True))
    assert mean["quiet"] == pytest.approx(0.312, abs=0.005)
    assert sorted(mean, key=mean.__getitem__)[:-5:-1] == ["quiet", "classical", "slow", "strings"]


def test_chunks_can_be_skipped(
    trailer: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "tristream.features.spaces.musicnn.CHUNK"
    monkeypatch.setattr(module, 2)
    found = registry.get("musicnn")
    options = found.options(hop=10)
    whole = list(found(trailer, ("penultimate",), options, weights, "cpu"))
    rest = list(found(trailer, ("penultimate",), options, weights, "cpu", skip=2))
    assert len(rest) == len(whole) - 2
    np.testing.assert_array_equal(rest[0]["penultimate"].values, whole[2]["penultimate"].values)


def test_short_sound_is_followed_by_silence(tmp_path: Path, weights: Path) -> None:
    file = tmp_path / "word.wav"
    wavfile.write(file, RATE, np.random.default_rng(0).normal(0, 3e3, RATE).astype(np.int16))
    found = registry.get("musicnn")
    (block,) = found(file, ("cnn1",), found.options(), weights, "cpu")
    assert block["cnn1"].values.shape == (1, 64)


def test_damaged_checkpoints_are_refused(tmp_path: Path, weights: Path) -> None:
    index = (weights / FOLDER / ".index").read_bytes()
    (tmp_path / ".data-00000-of-00001").write_bytes(b"\0" * 100)
    with pytest.raises(UserError, match="fetch the weights again"):
        read_checkpoint(tmp_path)
    for content in (b"", index[:-1], index[:-60] + index[-48:], index):
        (tmp_path / ".index").write_bytes(content)
        with pytest.raises(UserError, match=r"\.index: can't be read as a TensorFlow checkpoint"):
            read_checkpoint(tmp_path)
