"""What networks hear: librosa's numbers, and windows that depend on their own samples alone."""

import numpy as np
import pytest
import torch

from tristream.genre.description import LAYERS, Shape
from tristream.genre.networks import NETWORKS, build
from tristream.genre.sound_inputs import (
    HOP,
    N_FFT,
    RATE,
    descriptors,
    log_mel,
    window_samples,
    windows_of,
)
from tristream.media.librosa_loader import load_librosa

RNG = np.random.default_rng(0)
SOUND = (
    0.1 * RNG.standard_normal(2 * RATE) + np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
).astype(np.float32)


def test_descriptors_are_librosa_s() -> None:
    window = SOUND[: window_samples(40)]
    found = descriptors(window)
    assert found.shape == (40, 33)
    common = {"sr": RATE, "n_fft": N_FFT, "hop_length": HOP, "center": False}
    mfcc = load_librosa().feature.mfcc(y=window, n_mfcc=13, **common)
    np.testing.assert_allclose(found[:, :13], mfcc.T, atol=2e-3)
    centroid = load_librosa().feature.spectral_centroid(y=window, **common)
    np.testing.assert_allclose(found[:, 13:14], centroid.T, rtol=1e-5)
    chroma = load_librosa().feature.chroma_stft(y=window, tuning=0.0, **common)
    np.testing.assert_allclose(found[:, 14:26], chroma.T, atol=1e-5)
    assert (found[:, 14:26].argmax(1) == 9).all()  # the A
    contrast = load_librosa().feature.spectral_contrast(y=window, **common)
    np.testing.assert_allclose(found[:, 26:], contrast.T, atol=1e-4)


def test_log_mel_is_librosa_s() -> None:
    window = SOUND[: window_samples(40)]
    mel = load_librosa().feature.melspectrogram(
        y=window, sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=64, center=False
    )
    np.testing.assert_allclose(log_mel(window), 10 * np.log10(mel.T), atol=1e-3)


def test_windows_lie_within_the_sound_and_short_ones_are_filled() -> None:
    found = windows_of(SOUND, 40, 0.5)
    assert [len(one) for one in found] == [window_samples(40)] * 3
    np.testing.assert_array_equal(found[1], SOUND[RATE // 2 :][: window_samples(40)])
    (short,) = windows_of(SOUND[:1000], 40, 0.5)
    np.testing.assert_array_equal(short[:1000], SOUND[:1000])
    assert not short[1000:].any()


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_give_their_layers_and_a_linear_head(name: str) -> None:
    torch.manual_seed(0)
    network = build(Shape(name, ("a", "b", "c"), 20)).eval()
    x = torch.randn(5, 20, len(network.mean))
    out = network(x)
    assert tuple(out) == (*LAYERS[name], "scores")
    assert out["last"].shape == (5, 32)
    assert out["scores"].shape == (5, 3)
    linear = out["last"] @ network.head.weight.T + network.head.bias
    torch.testing.assert_close(out["scores"], linear)
    if name == "lstm":
        assert out["lstm1"].shape == (5, 128)
