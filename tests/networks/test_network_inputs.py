"""What a network is given is what was seen or heard at the moment."""

import math

import numpy as np
import pytest
from PIL import Image

from helpers.films import make_film
from tristream.config.networks import NetworkDesign
from tristream.config.settings.features import StimulusFile
from tristream.errors import UserError
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.genre.sound_inputs import window_samples
from tristream.networks.network_inputs import Moment, around, read_inputs
from tristream.stimuli.timelines import Event

INPUTS = {"size": 16, "stack": 2, "fps": 6}
STIMULI = [
    StimulusFile(stimulus=name, kind=kind, path=path)
    for name, kind, path in (("walk", "film", "walk.mp4"), ("red", "image", "red.png"))
]


def moment(name, kind, at, start=math.nan):
    return Moment(Event(10.0, 4.0, name, kind, name, start, True, "x"), at)


@pytest.fixture
def receipt(tmp_path):
    """A film: its grey rises by 20 a second, its texture goes right by 12 pixels a second."""
    texture = np.kron(np.random.default_rng(0).uniform(-40, 40, (8, 8)), np.ones((8, 8)))
    texture -= texture.mean()
    times = np.arange(72) / 12
    levels = 60 + 20 * times
    frames = [level + np.roll(texture, k, 1) for k, level in enumerate(levels)]
    frames = np.stack(frames).round().astype(np.uint8)
    make_film(tmp_path / "walk.mp4", frames, times)
    Image.new("RGB", (40, 30), (255, 0, 0)).save(tmp_path / "red.png")
    files = tuple(FetchedFile(one.path, None) for one in STIMULI)
    return Receipt("films", None, {"kind": "folder"}, "", tmp_path, "Films", "CC0", files, False)


def test_frames_and_flow_are_of_the_moment(receipt):
    block = NetworkDesign(network="two_stream", inputs=INPUTS)
    wanted = [moment("walk", "film", at, start=1.0) for at in (3.0, 0.5)]
    frames, flow = read_inputs(wanted, STIMULI, receipt, block)
    assert frames.shape == (2, 3, 16, 16)
    assert flow.shape == (2, 4, 16, 16)
    grey = frames.mean((1, 2, 3)) * 255
    np.testing.assert_allclose(grey, [60 + 20 * 4, 60 + 20 * 1.5], atol=5)
    # Half a pixel a frame: fields to the right come first.
    np.testing.assert_allclose(flow[:, :2].mean((1, 2, 3)), 0.5, atol=0.2)
    np.testing.assert_allclose(flow[:, 2:].mean((1, 2, 3)), 0, atol=0.1)


def test_an_image_is_a_frame_without_flow(receipt):
    block = NetworkDesign(network="two_stream", inputs=INPUTS)
    wanted = [moment("walk", "film", 1.0, start=0.0), moment("red", "image", 0.0)]
    frames, flow = read_inputs(wanted, STIMULI, receipt, block)
    np.testing.assert_allclose(frames[1].mean((1, 2)), [1, 0, 0], atol=1e-6)
    assert not flow[1].any()
    assert flow[0].any()


def test_a_film_shorter_than_its_flow_is_refused(receipt):
    block = NetworkDesign(network="two_stream", inputs={**INPUTS, "stack": 60})
    with pytest.raises(UserError, match=r"walk.mp4: is shorter than 61 frames at 6 a second"):
        read_inputs([moment("walk", "film", 1.0, start=0.0)], STIMULI, receipt, block)


def test_a_window_stays_within_the_sound():
    sound = np.arange(50_000, dtype=np.float32)
    size = window_samples(16)
    assert around(sound, 0.0, 16)[0] == 0
    assert around(sound, 9.0, 16)[-1] == 49_999
    middle = around(sound, 1.0, 16)
    assert middle[size // 2] == 22_050
    short = around(sound[:100], 0.0, 16)
    assert len(short) == size
    assert not short[100:].any()
