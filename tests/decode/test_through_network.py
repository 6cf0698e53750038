"""Genre through a network's last layer: known signal, none, and networks that heard the test."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tristream.config.decoders import DecoderDesign
from tristream.decode.decoding import decode
from tristream.decode.item_exchange import IN_TURN
from tristream.decode.labelled_arrays import labelled
from tristream.decode.through_network import Head, decode_through, read_head
from tristream.errors import UserError
from tristream.genre.description import CONFIG, TENSORS, Shape
from tristream.genre.networks import build

GENRES = ("blues", "jazz", "metal", "pop")
RUNS, TRAIN_CLIPS, TEST_CLIPS = 6, 20, 10


class World:
    """Six training runs of 20 clips once, three test runs of 10 clips four times, 60 voxels.

    Voxels answer to the last layer, in which genres are directions.
    """

    def __init__(self, signal: float, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.head = Head(3 * np.linalg.qr(rng.standard_normal((16, 4)))[0].T, np.zeros(4), GENRES)
        runs, items = [], []
        for run in range(RUNS):
            runs += [f"train{run}"] * TRAIN_CLIPS
            items += [f"train{run}_{clip}" for clip in range(TRAIN_CLIPS)]
        for run in range(3):
            clips = np.repeat([f"test{run}_{clip}" for clip in range(TEST_CLIPS)], 4)
            runs += [f"test{run}"] * len(clips)
            items += rng.permutation(clips).tolist()
        names = list(dict.fromkeys(items))
        label = dict(zip(names, rng.permutation(np.resize(GENRES, len(names))), strict=True))
        direction = dict(zip(GENRES, self.head.weight / 3, strict=True))
        of = {n: 2 * direction[label[n]] + 0.5 * rng.standard_normal(16) for n in names}
        self.last = np.stack([of[name] for name in items])
        self.labels = [label[name] for name in items]
        self.runs, self.items = runs, items
        self.test = ["test0", "test1", "test2"]
        readout = rng.standard_normal((16, 60))
        self.x = signal * self.last @ readout + 4 * rng.standard_normal((len(items), 60))


def test_signal_comes_back_and_agrees_with_its_parts() -> None:
    world = World(1.0)
    given = (world.x, world.last, world.labels, world.runs, world.head)
    found = decode_through(*given, items=world.items, test=world.test, permutations=2000)
    print(found.through, found.direct, found.difference, found.error, found.own)
    assert found.own > 0.95
    assert found.through.value > 0.6
    assert found.through.p is not None
    assert found.through.p < 0.005
    # Chance by hand: any clip of the run may have been heard.
    run, label = (np.array(one)[found.tested] for one in (world.runs, world.labels))
    named = np.array(found.predicted)
    by_run = [(named[run == r, None] == label[run == r]).mean() for r in world.test]
    assert found.through.chance == pytest.approx(np.mean(by_run), abs=0.01)
    assert found.profile.value > 0.4
    # Directly: what the classification stage gives.
    samples = labelled(world.x, world.labels, world.runs, items=world.items, test=world.test)
    design = DecoderDesign(kind="ridge", samples="blocks", permutations=0)
    direct = decode(samples, design)
    assert found.predicted_directly == [samples.classes[k] for k in direct.predicted]
    assert found.direct.value == pytest.approx(direct.accuracy)  # showings are as many of each
    assert found.difference == pytest.approx(found.through.value - found.direct.value)
    wanted = np.array(world.labels)[found.tested]
    assert np.mean(np.array(found.predicted) == wanted) == pytest.approx(found.through.value)
    named = np.array(GENRES)[world.head.scores(found.last).argmax(1)]
    assert found.predicted == named.tolist()


def test_without_signal_p_values_are_as_they_should_be() -> None:
    """40 worlds: of p values at .05 more than six are rarer than 1 in 200."""
    low = 0
    for seed in range(40):
        world = World(0.0, seed)
        found = decode_through(
            *(world.x, world.last, world.labels, world.runs, world.head),
            items=world.items,
            test=world.test,
            alpha=1000.0,
            voxels=None,
            direct=DecoderDesign(kind="ridge", samples="blocks", regularization=100),
            permutations=999,
        )
        assert found.through.p is not None
        low += found.through.p <= 0.05
    assert low <= 6


def test_leave_one_run_out_has_no_p() -> None:
    world = World(1.0)
    train = [k for k, run in enumerate(world.runs) if run.startswith("train")]
    found = decode_through(
        world.x[train],
        world.last[train],
        [world.labels[k] for k in train],
        [world.runs[k] for k in train],
        world.head,
        permutations=200,
    )
    assert found.through.value > 0.5
    assert found.through.p is None
    for one in (found.through, found.direct, found.profile):
        assert one.refusal == IN_TURN
        assert np.isnan([one.low, one.high]).all()
        assert np.isfinite(one.chance)


def test_one_item_is_told_from_no_other() -> None:
    world = World(1.0)
    last = [k for k, run in enumerate(world.runs) if run == "test0"]
    keep = [k for k, run in enumerate(world.runs) if run.startswith("train")] + last[:1]
    with pytest.raises(UserError, match="items: one alone is tested"):
        decode_through(
            world.x[keep],
            world.last[keep],
            [world.labels[k] for k in keep],
            [world.runs[k] for k in keep],
            world.head,
            items=[world.items[k] for k in keep],
            test=["test0"],
        )


def test_heads_that_do_not_fit_are_refused() -> None:
    world = World(1.0)
    given = (world.labels, world.runs)
    with pytest.raises(UserError, match="one row of 16 units"):
        decode_through(world.x, world.last[:, :5], *given, world.head)
    less = Head(world.head.weight[:3], np.zeros(3), GENRES[:3])
    with pytest.raises(UserError, match="'pop' is not a genre of the network"):
        decode_through(world.x, world.last, *given, less)


def test_networks_that_heard_the_test_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = build(Shape("lstm", GENRES, 16))
    save_file(network.state_dict(), tmp_path / TENSORS)
    content = {
        "model_type": "genre_network",
        "network": "lstm",
        "classes": GENRES,
        "frames": 16,
        "kept_out": {"a" * 64: "blues.00001.wav"},
        "trained_on": ["b" * 64],
        "training": {},
    }
    (tmp_path / CONFIG).write_text(json.dumps(content))
    head = read_head(tmp_path, {"blues/blues.00001.wav": "a" * 64})
    last = torch.randn(3, 32)
    np.testing.assert_allclose(
        head.scores(last.numpy()), network.head(last).detach().numpy(), atol=1e-5
    )
    with pytest.raises(UserError, match=r"was trained on jazz\.wav"):
        read_head(tmp_path, {"jazz.wav": "b" * 64})
    with pytest.raises(UserError, match=r"not kept from pop\.wav"):
        read_head(tmp_path, {"pop.wav": "c" * 64})
