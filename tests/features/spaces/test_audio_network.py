"""Audio networks: tiny random ones, saved to a folder, against direct calls of transformers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from helpers.films import make_film
from helpers.sounds import RATE, at_rate, clicks, write
from tristream.config.feature_spaces import FeatureSpace
from tristream.errors import UserError
from tristream.features.core import checked_space as spaces
from tristream.features.core import registry
from tristream.features.core.audio.sound_stream import Track
from tristream.features.core.networks.encodec import latents, memory_of

SMALL: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
CONVS: dict[str, Any] = {
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 8, 8),
    "conv_stride": (5, 8, 8),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "intermediate_size": 32,
}


def speech(kind: str, **changes: Any) -> tuple[Any, Any]:
    config = getattr(transformers, f"{kind}Config")(**SMALL, **CONVS, **changes)
    extractor = transformers.Wav2Vec2FeatureExtractor(
        do_normalize=changes.get("feat_extract_norm") != "layer"
    )
    return getattr(transformers, f"{kind}Model")(config), extractor


def ast() -> tuple[Any, Any]:
    config = transformers.ASTConfig(
        **SMALL, intermediate_size=32, max_length=104, num_mel_bins=32, frequency_stride=8
    )
    extractor = transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=104)
    return transformers.ASTModel(config), extractor


def whisper() -> tuple[Any, Any]:
    config = transformers.WhisperConfig(
        d_model=16,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=100,
        num_mel_bins=16,
        vocab_size=60,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    extractor = transformers.WhisperFeatureExtractor(feature_size=16, chunk_length=2)
    return transformers.WhisperModel(config), extractor


def clap(fused: bool = False) -> tuple[Any, Any]:
    config = transformers.ClapAudioConfig(
        spec_size=64,
        num_mel_bins=16,
        patch_size=4,
        patch_stride=[4, 4],
        patch_embeds_hidden_size=8,
        hidden_size=16,
        projection_dim=12,
        depths=[1, 1],
        num_attention_heads=[2, 2],
        window_size=4,
        num_hidden_layers=2,
        enable_fusion=fused,
        aff_block_r=2,
    )
    extractor = transformers.ClapFeatureExtractor(
        feature_size=16,
        sampling_rate=16000,
        hop_length=160,
        max_length_s=2,
        truncation="fusion" if fused else "rand_trunc",
    )
    return transformers.ClapAudioModelWithProjection(config), extractor


def encodec() -> tuple[Any, Any]:
    config = transformers.EncodecConfig(num_filters=4, hidden_size=8, codebook_dim=8)
    return transformers.EncodecModel(config), transformers.EncodecFeatureExtractor()


NETWORKS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "wav2vec2": lambda: speech("Wav2Vec2"),
    "wav2vec2_layer_norm": lambda: speech(
        "Wav2Vec2", feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True
    ),
    "hubert": lambda: speech("Hubert"),
    "wavlm": lambda: speech("WavLM"),
    "ast": ast,
    "whisper": whisper,
    "clap": clap,
    "clap_fused": lambda: clap(fused=True),
    "encodec": encodec,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Any, Any]]:
    """Function: name -> folder, network, its feature extractor."""
    made: dict[str, tuple[Path, Any, Any]] = {}

    def save(name: str) -> tuple[Path, Any, Any]:
        if name not in made:
            torch.manual_seed(0)
            network, extractor = NETWORKS[name]()
            folder = tmp_path_factory.mktemp(name)
            network.save_pretrained(folder)
            extractor.save_pretrained(folder)
            made[name] = folder, network.eval(), extractor
        return made[name]

    return save


def run(
    folder: Path,
    path: Path,
    skip: int = 0,
    notes: dict[str, Any] | None = None,
    **options: Any,
) -> dict[str, tuple[Any, Any]]:
    """Every layer: values and times."""
    found = registry.get("audio_network")
    given = found.options(folder=str(folder), **options)
    layers = found.layers_of(given, folder)
    assert set(found.default_of(given, folder)) <= set(layers)
    said = {} if notes is None else notes
    blocks = list(found(path, layers, given, folder, "cpu", notes=said, skip=skip))
    return {
        layer: tuple(
            np.concatenate([getattr(b[layer], k) for b in blocks]) for k in ("values", "times")
        )
        for layer in layers
    }


def direct(name: str, network: Any, extractor: Any, sound: np.ndarray) -> dict[str, np.ndarray]:
    """Layers by a plain call; (frames, columns), CLAP and AST averaged by hand."""
    given = extractor(sound, sampling_rate=extractor.sampling_rate, return_tensors="pt")
    with torch.no_grad():
        if name == "encodec":
            return {"latents": network.encoder(given["input_values"])[0].T.numpy()}
        if name == "whisper":
            output = network.encoder(given["input_features"], output_hidden_states=True)
        elif name.startswith("clap"):
            longer = torch.zeros((1, 1), dtype=torch.bool)
            output = network(given["input_features"], longer, output_hidden_states=True)
        else:
            output = network(given["input_values"], output_hidden_states=True)
    states = [state[0] for state in output.hidden_states]
    layers = {"embeddings": states[0]} | {f"layer{i}": s for i, s in enumerate(states) if i}
    if name.startswith("clap"):
        layers = {
            k: s.flatten(1).mean(1)[None] if s.ndim == 3 else s.mean(0)[None]
            for k, s in layers.items()
        }
        return {k: v.numpy() for k, v in (layers | {"projected": output.audio_embeds}).items()}
    layers["last"] = output.last_hidden_state[0]
    if name == "ast":
        layers = {k: s[2:].reshape(3, -1, 16).mean(0) for k, s in layers.items()}
    return {k: v.numpy() for k, v in layers.items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_are_those_of_a_direct_call(
    saved: Callable[[str], tuple[Path, Any, Any]], tmp_path: Path, name: str
) -> None:
    folder, network, extractor = saved(name)
    rate = extractor.sampling_rate
    sound = 0.1 * np.random.default_rng(0).standard_normal(round(0.9 * rate))
    file = write(tmp_path / "sound.wav", sound, rate)
    heard = next(Track.open(file, rate).pieces(len(sound)))
    found = run(folder, file, step=0)
    expected = direct(name, network, extractor, heard)
    compared = set(found) & set(expected)
    assert compared == set(found) - {"conv"}
    for layer in compared:
        values, _ = found[layer]
        assert len(values) > 0
        np.testing.assert_allclose(values, expected[layer][: len(values)], atol=1e-5, rtol=1e-5)
    if name not in (
        "clap",
        "clap_fused",
        "ast",
        "whisper",
    ):  # those hear silence after a short sound, too
        assert all(len(found[layer][0]) == len(expected[layer]) for layer in compared)


def test_convolutions_in_windows_equal_one_pass(
    saved: Callable[[str], tuple[Path, Any, Any]], tmp_path: Path
) -> None:
    folder, network, extractor = saved("wav2vec2_layer_norm")
    file = write(tmp_path / "s.wav", 0.1 * np.random.default_rng(0).standard_normal(RATE * 5 + 77))
    heard = next(Track.open(file, RATE).pieces(10 * RATE))
    given = extractor(heard, sampling_rate=RATE, return_tensors="pt")["input_values"]
    with torch.no_grad():
        whole = network.feature_extractor(given)[0].T.numpy()
    for window, hop in ((1, 0.4), (2, 1.0), (8, 0)):
        values, times = run(folder, file, window=window, hop=hop, step=0)["conv"]
        np.testing.assert_allclose(values, whole, atol=1e-5)
        assert len(times) == len(whole)


def test_encodec_in_chunks_equals_one_pass(
    saved: Callable[[str], tuple[Path, Any, Any]], tmp_path: Path
) -> None:
    _, network, _ = saved("encodec")
    sound = np.random.default_rng(0).standard_normal(24000 * 3 + 100).astype(np.float32) * 0.1
    track = Track.of(sound, 24000)
    assert 500 < memory_of(network) < 2000
    with torch.no_grad():
        whole = network.encoder(torch.from_numpy(sound)[None, None])[0].T
        for chunk in (10, 47, 1000):
            parts = list(latents(network, track, "cpu", chunk))
            assert [first for first, _ in parts] == list(range(0, len(whole), chunk))
            joined = torch.cat([values for _, values in parts])
            torch.testing.assert_close(joined, whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["wav2vec2_layer_norm", "ast", "whisper"])
def test_windows_are_as_documented(
    saved: Callable[[str], tuple[Path, Any, Any]], tmp_path: Path, name: str
) -> None:
    """The second of three windows, by hand."""
    folder, network, extractor = saved(name)
    file = write(tmp_path / "s.wav", 0.1 * np.random.default_rng(0).standard_normal(RATE * 3))
    heard = next(Track.open(file, RATE).pieces(10 * RATE))
    found = run(folder, file, window=1, hop=0.4, step=0)
    stride = 1600 if name == "ast" else 320
    start = (6400 - 4800) // stride * stride  # 0.4 s, with 0.3 s before
    expected = direct(name, network, extractor, heard[start : start + RATE])["layer1"]
    first, count = (6400 - start) // stride, 6400 // stride
    got = found["layer1"][0][6400 // stride :][:count]
    np.testing.assert_allclose(got, expected[first : first + count], atol=1e-5)


@pytest.mark.parametrize("name", ["wav2vec2_layer_norm", "ast", "whisper", "clap", "encodec"])
def test_a_preview_is_the_window_that_the_network_is_given(
    saved: Callable[[str], tuple[Path, Any, Any]], tmp_path: Path, name: str
) -> None:
    folder, _, extractor = saved(name)
    rate = extractor.sampling_rate
    file = write(tmp_path / "s.wav", 0.1 * np.random.default_rng(0).standard_normal(rate * 3), rate)
    heard = next(Track.open(file, rate).pieces(3 * rate))
    options: dict[str, Any] = {"folder": str(folder), "step": 0}
    options |= {} if name == "encodec" else {"window": 1, "hop": 0.4}
    block = FeatureSpace(stream="auditory", extractor="audio_network", options=options)
    seen = spaces.check("net", block).preview(file, 0.6)
    assert seen is not None
    assert seen.start <= 0.6 <= seen.stop
    if name == "encodec":
        np.testing.assert_allclose(seen.values, heard[: round(1.6 * rate)], atol=1e-6)
        return
    part = heard[round(seen.start * rate) :][:rate]
    given = extractor(part, sampling_rate=rate, return_tensors="np")
    expected = next(iter(given.values()))[0].squeeze()
    turned = name in ("ast", "clap")
    np.testing.assert_allclose(seen.values, expected.T if turned else expected, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "clap_fused"])
def test_a_click_moves_the_frame_at_its_time(
    saved: Callable[[str], tuple[Path, Any, Any]], tmp_path: Path, name: str
) -> None:
    folder, _, extractor = saved(name)
    rate = extractor.sampling_rate
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.standard_normal(RATE * 6)
    for time in (0.83, 2.61, 5.05):
        with_click = noise.copy()
        with_click[round(time * RATE) :][:320] += 0.9 * rng.standard_normal(320)
        quiet = write(tmp_path / "quiet.wav", at_rate(noise, rate), rate)
        loud = write(tmp_path / "loud.wav", at_rate(with_click, rate), rate)
        speech = ("wav2vec2", "wav2vec2_layer_norm", "hubert", "wavlm")
        layers = {"encodec": "latents", **dict.fromkeys(speech, "conv")}
        layer = layers.get(name, "embeddings")
        options = {"hop": 0.4, "window": 1} if name != "encodec" else {}
        one, times = run(folder, quiet, step=0, **options)[layer]
        two, _ = run(folder, loud, step=0, **options)[layer]
        change = np.abs(two - one).sum(1)
        tolerance = {"ast": 0.11, "clap": 0.41, "encodec": 0.06}.get(name, 0.03)
        assert abs(times[change.argmax()] - time - 0.01) <= tolerance
        np.testing.assert_allclose(np.diff(times), times[1] - times[0])


def test_frames_are_averaged_over_steps(
    saved: Callable[[str], tuple[Path, Any, Any]], tmp_path: Path
) -> None:
    folder, _, _ = saved("hubert")
    file = write(tmp_path / "s.wav", 0.1 * np.random.default_rng(0).standard_normal(RATE * 5))
    fine = run(folder, file, window=2, hop=1, step=0)
    coarse = run(folder, file, window=2, hop=1, step=0.5)
    for layer, (values, times) in coarse.items():
        every, at = fine[layer]
        n = len(values)
        assert n == len(every) // 25
        np.testing.assert_allclose(values, every[: n * 25].reshape(n, 25, -1).mean(1), atol=1e-6)
        np.testing.assert_allclose(times, at[: n * 25].reshape(n, 25).mean(1))
    small = run(folder, file, window=2, hop=1, project=5)
    assert small["layer1"][0].shape == (n, 5)


@pytest.mark.parametrize("name", ["wavlm", "clap"])
def test_chunks_can_be_skipped_and_batches_change_nothing(
    saved: Callable[[str], tuple[Path, Any, Any]], tmp_path: Path, name: str
) -> None:
    folder, _, _ = saved(name)
    file = write(tmp_path / "s.wav", 0.1 * np.random.default_rng(0).standard_normal(RATE * 9))
    options: dict[str, Any] = {"window": 2, "hop": 1}
    whole = run(folder, file, batch=2, **options)
    rest = run(folder, file, skip=2, batch=2, **options)
    single = run(folder, file, batch=1, **options)
    for layer, (values, times) in whole.items():
        n = len(rest[layer][0])
        assert 0 < n < len(values)
        np.testing.assert_array_equal(rest[layer][0], values[-n:])
        np.testing.assert_array_equal(rest[layer][1], times[-n:])
        np.testing.assert_allclose(single[layer][0], values, atol=1e-5)


def test_real_film(saved: Callable[[str], tuple[Path, Any, Any]], trailer: Path) -> None:
    folder, _, _ = saved("wav2vec2_layer_norm")
    notes: dict[str, Any] = {}
    values, times = run(folder, trailer, notes=notes)["layer2"]
    assert 0 < notes["busy"] <= 1
    assert 108 <= len(times) <= 111
    np.testing.assert_allclose(np.diff(times), 0.5)
    assert np.isfinite(values).all()
    assert values.std(0).min() > 0


@pytest.mark.parametrize("name", ["hubert", "clap", "encodec"])
def test_files_of_any_rate_and_channels(
    saved: Callable[[str], tuple[Path, Any, Any]], tmp_path: Path, name: str
) -> None:
    folder, _, _ = saved(name)
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(0.1 * rng.standard_normal(3 * RATE))
    spectrum[len(spectrum) * 3 // 8 :] = 0  # what 8 kHz hold, and resampling filters leave alone
    sound = np.fft.irfft(spectrum)
    reference = run(folder, write(tmp_path / "16.wav", sound))
    for rate, channels in ((8_000, 1), (96_000, 2)):
        file = write(tmp_path / f"{rate}.wav", at_rate(sound, rate), rate, channels)
        for layer, (values, times) in run(folder, file).items():
            expected, at = reference[layer]
            np.testing.assert_allclose(times, at, atol=1e-9)
            assert np.median(np.abs(values - expected)) < 0.02 * expected.std(), (layer, rate)
    with pytest.raises(UserError, match=r"none\.wav"):
        run(folder, write(tmp_path / "none.wav", np.zeros(0)))
    film = make_film(tmp_path / "mute.mp4", np.full((12, 32, 32), 90, np.uint8), np.arange(12) / 4)
    with pytest.raises(UserError, match=r"mute\.mp4: has no sound"):
        run(folder, film)


@pytest.mark.parametrize("name", ["wav2vec2", "hubert", "wavlm"])
def test_a_weight_of_training_alone_may_be_missing(
    saved: Callable[[str], tuple[Path, Any, Any]], tmp_path: Path, name: str
) -> None:
    """As in wav2vec2-base-960h, which hides nothing any more; any other weight is needed."""
    from safetensors.torch import load_file, save_file

    folder, _, _ = saved(name)
    file = write(tmp_path / "s.wav", 0.1 * np.random.default_rng(0).standard_normal(RATE * 3))
    expected = run(folder, file)
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    hidden = [key for key in weights if key.endswith("masked_spec_embed")]
    assert hidden
    kept = {key: value for key, value in weights.items() if key not in hidden}
    save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
    for layer, (values, _) in run(copy, file).items():
        np.testing.assert_array_equal(values, expected[layer][0])
    needed = next(key for key in kept if "layers.0" in key)
    del kept[needed]
    save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="an untrained network is not used"):
        run(copy, file)


def test_the_processor_file_of_transformers_5(
    saved: Callable[[str], tuple[Path, Any, Any]], tmp_path: Path
) -> None:
    folder, _, _ = saved("clap")
    copy = shutil.copytree(folder, tmp_path / "copy")
    said = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").unlink()
    whole = {"processor_class": "ClapProcessor", "feature_extractor": said}
    (copy / "processor_config.json").write_text(json.dumps(whole))
    file = write(tmp_path / "s.wav", 0.1 * np.random.default_rng(0).standard_normal(RATE * 4))
    for layer, (values, _) in run(copy, file).items():
        np.testing.assert_array_equal(values, run(folder, file)[layer][0])


def test_what_does_not_fit_is_refused(
    saved: Callable[[str], tuple[Path, Any, Any]], tmp_path: Path
) -> None:
    file = write(tmp_path / "s.wav", clicks(2, 3))
    folder, _, extractor = saved("whisper")
    with pytest.raises(UserError, match="hears 2 s at once; window is 5"):
        run(folder, file, window=5)
    with pytest.raises(UserError, match="leave its frames no context"):
        run(saved("hubert")[0], file, window=1, hop=1, step=0)
    bare = tmp_path / "bare"
    saved("hubert")[1].save_pretrained(bare)
    with pytest.raises(UserError, match=r"preprocessor_config\.json: no such file; save"):
        run(bare, file)
    image = tmp_path / "image"
    transformers.ViTModel(
        transformers.ViTConfig(**SMALL, intermediate_size=32, image_size=32)
    ).save_pretrained(image)
    with pytest.raises(UserError, match="is a network of type 'vit'; read are"):
        run(image, file)
    stereo = tmp_path / "stereo"
    transformers.EncodecModel(
        transformers.EncodecConfig(num_filters=2, hidden_size=8, codebook_dim=8, audio_channels=2)
    ).save_pretrained(stereo)
    with pytest.raises(UserError, match="not the causal, mono EnCodec"):
        run(stereo, file)
    short = write(tmp_path / "short.wav", np.zeros(1000))
    with pytest.raises(UserError, match=r"short\.wav: its sound is shorter than 0\.1 s"):
        run(folder, short)
    extractor.save_pretrained(folder)
