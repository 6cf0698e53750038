"""Derived spaces: known answers, and that nothing but training stimuli is ever fitted."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.signal import lfilter
from sklearn.decomposition import PCA

from helpers.feature_files import write_features
from tristream.config.load import load
from tristream.config.settings.fusion import FusionSettings
from tristream.errors import UserError
from tristream.features.core.feature_file import open_features
from tristream.features.fusion.common_grid import common_times, to_grid
from tristream.features.fusion.derived_space import fit, fuse
from tristream.features.fusion.fused_file import read_fit
from tristream.features.fusion.training_rows import read_training
from tristream.store import (
    Omission,
    Provenance,
    write_table,
)

SECONDS = 300.0
TRAIN = (0.0, 200.0)
TEST = (200.0, 300.0)


class World:
    """A study of one film whose first part trains and whose last part tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        events = [("run-1", *TRAIN), ("run-2", *TEST)]
        self.write_stimuli(events, {"run-1": "train", "run-2": "test"})

    def write_stimuli(
        self, events: list[tuple[str, float, float]], splits: dict[str, str], kind: str = "film"
    ) -> None:
        """Inventory and splits of events (run, media start, media end)."""
        rows = [
            {
                "timeline": "main",
                "run": run,
                "onset": 0.0,
                "duration": end - start,
                "stimulus": "clip",
                "kind": kind,
                "media_start": start,
                "item": "clip",
                "keep": True,
            }
            for run, start, end in events
        ]
        said = Provenance("inventory", False)
        write_table(self.folder / "inventory.tsv", pd.DataFrame(rows), said)
        table = pd.DataFrame(
            [{"timeline": "main", "run": run, "split": split} for run, split in splits.items()]
        )
        write_table(self.folder / "splits.tsv", table, Provenance("splits", False))

    def write(
        self, space: str, values: np.ndarray, rate: float, layer: str = "all", **about: Any
    ) -> Path:
        """A feature file of one film, sampled at `rate`."""
        path = self.folder / f"{space}/{layer}.h5"
        clip = {"clip": (values, (np.arange(len(values)) + 0.5) / rate)}
        return write_features(path, f"{space}/{layer}", clip, window=1 / rate, **about)

    def study(self, **block: Any) -> FusionSettings:
        """A study whose derived space ``both`` is `block`."""
        parents = {parent.split("/")[0] for parent in block["parents"]}
        content = {
            "datasets": ["films"],
            "features": {p: {"stream": "ventral", "extractor": "own"} for p in sorted(parents)},
            "fusion": {"both": {"stream": "ventral", **block}},
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(content))
        descriptors = self.folder / "workflow/datasets"
        descriptors.mkdir(parents=True, exist_ok=True)
        descriptor = {
            "id": "films",
            "title": "Films",
            "licence": "CC0",
            "citation": "none",
            "source": {"kind": "folder", "path": "nowhere"},
            "layout": {"kind": "fmriprep"},
            "tr": 1.0,
            "subjects": ["01"],
            "runs": ["run-1", "run-2"],
            "split": {"scheme": "holdout", "test": ["run-2"]},
            "exchange": {"unit": "time"},
        }
        (descriptors / "films.yaml").write_text(yaml.safe_dump(descriptor))
        resolved = load(self.folder / "config.yaml")
        return FusionSettings.of(resolved, dataset="films", fused="both")

    def fitted(self, study: FusionSettings, parents: list[Path]) -> tuple[Path, dict[str, Any]]:
        """Fit; the file, and how it went."""
        path = self.folder / "fit.h5"
        tables = (self.folder / "inventory.tsv", self.folder / "splits.tsv")
        fit(study, parents, *tables, path)
        found = read_fit(path)
        return path, {"samples": found.samples, "stimuli": found.stimuli, **found.quality}

    def made(self, files: list[Path], layer: str, **block: Any) -> tuple[np.ndarray, np.ndarray]:
        """Fit and fuse: times and values of one layer."""
        study = self.study(**block)
        path, _ = self.fitted(study, files)
        output = self.folder / f"both/{layer}.h5"
        fuse(study, files, path, output)
        with open_features(output) as file:
            clip = file.stimuli["clip"]
            return clip.times, clip.values[()]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def slow(rng: np.random.Generator, n: int, p: int, memory: float = 0.8) -> np.ndarray:
    """Autoregressive signals of variance 1."""
    noise = rng.standard_normal((n + 100, p))
    return lfilter([np.sqrt(1 - memory**2)], [1, -memory], noise, axis=0)[100:]


def arrays(path: Path) -> dict[str, np.ndarray]:
    return read_fit(path).arrays


def correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = (a - a.mean(0) for a in (x, y))
    return (x * y).sum(0) / np.sqrt((x**2).sum(0) * (y**2).sum(0))


PAIRED: dict[str, dict[str, Any]] = {
    "cca": {"components": 2, "reduce": 8},
    "pls": {"components": 2, "reduce": 8},
    "embedding": {"components": 4, "reduce": 8, "epochs": 3},
}
METHODS: dict[str, dict[str, Any]] = {"concatenate": {}, "pca": {"components": 3}, **PAIRED}


@pytest.mark.parametrize("method", METHODS)
def test_a_direction_of_the_test_film_alone_changes_nothing(world: World, method: str) -> None:
    rng = np.random.default_rng(0)
    parents, planted = [], []
    for space, rate in (("a", 2.0), ("b", 1.0)):
        n = round(SECONDS * rate)
        values = slow(rng, n, 8)
        parents.append(world.write(space, values, rate))
        shown = (np.arange(n) + 0.5) / rate > TEST[0]
        values[shown] += 50 * rng.standard_normal((shown.sum(), 1)) * rng.standard_normal(8)
        planted.append(values)
    study = world.study(method=method, parents=["a", "b"], **METHODS[method])
    before = arrays(world.fitted(study, parents)[0])
    for space, rate, values in (("a", 2.0, planted[0]), ("b", 1.0, planted[1])):
        world.write(space, values, rate)
    after = arrays(world.fitted(study, parents)[0])
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)
    # The same direction in the training film does change the fit.
    world.write_stimuli([("run-1", *TEST), ("run-2", *TRAIN)], {"run-1": "train", "run-2": "test"})
    moved = arrays(world.fitted(study, parents)[0])
    assert any(not np.array_equal(array, moved[name]) for name, array in before.items())


def test_training_rows_are_those_of_training_runs_alone(world: World) -> None:
    """A stretch that a test run shows again, and what reaches into it, is left out."""
    events = [("run-1", 0.0, 100.0), ("run-2", 60.0, 80.0)]
    world.write_stimuli(events, {"run-1": "train", "run-2": "test"})
    training = read_training(world.folder / "inventory.tsv", world.folder / "splits.tsv", "both")
    times = np.arange(0.5, 150)
    rows = training.rows("clip", times, 2.0)
    np.testing.assert_array_equal(times[rows], times[(times < 100) & ((times < 58) | (times > 82))])
    assert not training.rows("other", times, 0.0).any()


def test_without_a_fixed_training_set_a_fit_is_refused(world: World) -> None:
    rng = np.random.default_rng(0)
    parents = [world.write(s, slow(rng, 300, 3), 1.0) for s in "ab"]
    world.write_stimuli([("run-1", *TRAIN), ("run-2", *TEST)], {"run-1": "each", "run-2": "each"})
    for method in ("pca", "concatenate"):
        study = world.study(method=method, parents=["a", "b"])
        with pytest.raises(UserError, match="every run is a test run once") as caught:
            world.fitted(study, parents)
        assert "\n" not in str(caught.value)
    _, values = world.made(
        parents, "concatenated", method="concatenate", parents=["a", "b"], scale="none"
    )
    assert values.shape == (300, 6)


def test_concatenation_gives_each_parent_the_same_training_variance(world: World) -> None:
    rng = np.random.default_rng(0)
    loud = 100 * slow(rng, 300, 2) * np.array([1.0, 3.0]) + 7
    still = np.ones((300, 1))
    parents = [
        world.write("a", loud, 1.0),
        world.write("b", np.hstack([slow(rng, 300, 40), still]), 1.0),
    ]
    times, band = world.made(parents, "concatenated", method="concatenate", parents=["a", "b"])
    train = times < TRAIN[1]
    variances = band[train].var(0)
    assert [variances[:2].sum(), variances[2:].sum()] == pytest.approx([1, 1], rel=1e-3)
    ratio = loud[train].var(0)
    assert variances[1] / variances[0] == pytest.approx(ratio[1] / ratio[0], rel=1e-4)
    np.testing.assert_array_equal(band[:, -1], 0)
    _, columns = world.made(
        parents, "concatenated", method="concatenate", parents=["a", "b"], scale="columns"
    )
    np.testing.assert_allclose(columns[train].var(0)[:2], 0.5, rtol=1e-3)
    np.testing.assert_allclose(columns[train].var(0)[2:-1], 1 / 40, rtol=1e-3)


def test_pca_equals_sklearn_on_the_stacked_training_rows(world: World) -> None:
    rng = np.random.default_rng(0)
    rate, mixing = 10.0, rng.standard_normal((30, 30)) * np.geomspace(3, 0.1, 30)[:, None]
    # 2000 training rows: more than one block of the incremental fit.
    a = slow(rng, 3000, 30) @ mixing
    b = slow(rng, 3000, 5)
    parents = [world.write("a", a, rate), world.write("b", b, rate)]
    times, values = world.made(
        parents, "components", method="pca", parents=["a", "b"], components=6
    )
    train = times < TRAIN[1]
    a, b = a.astype("f4").astype(float), b.astype("f4").astype(float)
    stacked = np.hstack([(x - x[train].mean(0)) / np.sqrt(x[train].var(0).sum()) for x in (a, b)])
    expected = PCA(6).fit(stacked[train]).transform(stacked)
    signs = np.sign((expected * values).sum(0))
    np.testing.assert_allclose(values * signs, expected, atol=2e-3)
    assert (correlations(values, expected) ** 2).min() > 0.99999


@pytest.mark.parametrize("method", ["cca", "pls"])
def test_canonical_directions_find_what_is_shared(world: World, method: str) -> None:
    """One weak common signal in two films' features of other rates; the loud ones are private."""
    rng = np.random.default_rng(1)
    fine = slow(rng, round(SECONDS * 4), 1, 0.95)
    coarse = fine.reshape(-1, 4).mean(1, keepdims=True)
    a = 2 * slow(rng, len(fine), 12, 0.9)
    b = 2 * slow(rng, len(coarse), 9)
    a[:, :4] += 2 * fine
    b[:, :3] += 2 * coarse
    parents = [world.write("a", a, 4.0), world.write("b", b, 1.0)]
    block = {"method": method, "parents": ["a", "b"], "components": 1, "reduce": 9}
    times, shared = world.made(parents, "shared", **block)
    np.testing.assert_allclose(times, np.arange(300) + 0.5)
    test = times > TEST[0]
    assert abs(correlations(shared[test], coarse[test])[0]) > 0.8
    block["variates"] = ["first", "second"]
    first, second = (world.made(parents, layer, **block)[1] for layer in ("first", "second"))
    assert correlations(first[test], second[test])[0] > 0.5
    np.testing.assert_allclose((first + second) / 2, shared, atol=1e-5)
    train = times < TRAIN[1] - 2
    np.testing.assert_allclose(first[train].std(), 1, atol=0.02)


def retrieved(first: np.ndarray, second: np.ndarray) -> float:
    """Share of samples whose simultaneous partner is the most similar of all."""
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (first, second)]
    return float(((unit[0] @ unit[1].T).argmax(1) == np.arange(len(first))).mean())


def embedded(world: World, shuffled: bool) -> tuple[float, dict[str, Any]]:
    """Share of matched times on the test film, after training on true or on shuffled pairs."""
    rng = np.random.default_rng(2)
    latent = slow(rng, 600, 4, 0.5)
    views = [
        np.tanh(latent @ rng.standard_normal((4, 20))) + 0.2 * rng.standard_normal((600, 20))
        for _ in range(2)
    ]
    if shuffled:
        views[1] = views[1][rng.permutation(600)]
    parents = [world.write(s, view, 2.0) for s, view in zip("ab", views, strict=True)]
    block: dict[str, Any] = {
        "method": "embedding",
        "parents": ["a", "b"],
        "reduce": 8,
        "components": 8,
        "variates": ["first", "second"],
        "epochs": 80,
    }
    times, first = world.made(parents, "first", **block)
    _, second = world.made(parents, "second", **block)
    test = times > TEST[0]
    return retrieved(first[test], second[test]), world.fitted(world.study(**block), parents)[1]


def test_the_embedding_matches_times_of_a_film_that_it_was_not_trained_on(world: World) -> None:
    share, said = embedded(world, shuffled=False)
    assert share > 0.2  # chance: 1 / 200
    assert said["validation_retrieval"] > 10 * said["validation_chance"]
    assert said["samples"] == pytest.approx(400, abs=1)


def test_the_embedding_matches_nothing_when_pairs_were_shuffled(world: World) -> None:
    share, said = embedded(world, shuffled=True)
    assert share < 0.04
    assert said["validation_retrieval"] < 0.06
    assert said["epochs"] < 80  # no progress on the held-out stretch: stopped early


def test_the_embedding_is_the_same_each_time_and_leaves_torch_s_generator_alone(
    world: World,
) -> None:
    import torch

    rng = np.random.default_rng(0)
    parents = [world.write(s, slow(rng, 300, 5), 1.0) for s in "ab"]
    study = world.study(method="embedding", parents=["a", "b"], reduce=4, epochs=2)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = arrays(world.fitted(study, parents)[0])
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    second = arrays(world.fitted(study, parents)[0])
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_what_is_faster_than_the_grid_does_not_alias() -> None:
    """A constant and a slope pass; a frequency of one cycle a step is gone, a slow one is kept."""
    times, grid = (np.arange(600.0) + 0.5) / 10, np.arange(60.0) + 0.5
    weights = to_grid(times, grid, 1.0)
    inside = slice(2, -2)
    np.testing.assert_allclose(weights @ np.full(600, 3.0), 3.0)
    np.testing.assert_allclose((weights @ times)[inside], grid[inside], atol=1e-9)
    for frequency, left in ((1.0, 0.0), (0.05, np.sinc(0.05) ** 2), (0.9, np.sinc(0.9) ** 2)):
        curve = weights @ np.sin(2 * np.pi * frequency * times)
        expected = left * np.sin(2 * np.pi * frequency * grid)
        np.testing.assert_allclose(curve[inside], expected[inside], atol=0.02)


def test_equal_times_are_left_as_they_are_and_ends_are_cut_to_what_all_cover() -> None:
    times = np.arange(100) / 2
    grid, reach = common_times([times, times], "x")
    np.testing.assert_array_equal(to_grid(times, grid, reach).toarray(), np.eye(100))
    late = np.arange(1.5, 40)
    grid, reach = common_times([times, late], "x")
    np.testing.assert_array_equal(grid, late)
    assert reach == 1.0
    with pytest.raises(UserError, match="no time in common"):
        common_times([times, late + 100], "x")


def test_the_file_says_what_went_into_it(world: World) -> None:
    rng = np.random.default_rng(0)
    silent = Omission("mute", "it has no sound")
    parents = [
        world.write("a", slow(rng, 300, 3), 1.0, layer="deep"),
        world.write("b", slow(rng, 300, 4), 1.0, omitted=(silent,), simulated=True),
    ]
    world.made(parents, "concatenated", method="concatenate", parents=["a/deep", "b"])
    path = world.folder / "both/concatenated.h5"
    with open_features(path) as file:
        assert file.provenance.simulated
        assert file.provenance.omitted == (silent,)
        assert file.names[2:4] == ["a/deep/unit 2", "b/all/unit 0"]
        assert file.about.extractor == "fusion_concatenate"
        assert file.about.layer == "concatenated"
        assert file.about.options["parents"] == ["a/deep", "b"]


def test_items_are_fused_too(world: World) -> None:
    rng = np.random.default_rng(0)
    items = [f"picture {i}" for i in range(12)]
    events = pd.DataFrame(
        {
            "timeline": "main",
            "run": ["run-1"] * 9 + ["run-2"] * 4,
            "kind": "image",
            "item": [*items[:9], *items[8:]],
        }
    )
    write_table(world.folder / "inventory.tsv", events, Provenance("inventory", False))
    parents = []
    for space in "ab":
        path, values = world.folder / f"{space}.h5", rng.standard_normal((12, 2))
        parents.append(write_features(path, f"{space}/all", items=items, values=values))
    study = world.study(method="pca", parents=["a", "b"], components=2)
    fitted, said = world.fitted(study, parents)
    assert said["samples"] == 8  # picture 8 is shown in the test run, too
    output = world.folder / "both/components.h5"
    fuse(study, parents, fitted, output)
    with open_features(output) as file:
        assert file.items == items
        assert file.item_values.shape == (12, 2)


def test_bad_requests_are_one_line(world: World) -> None:
    rng = np.random.default_rng(0)
    a, b, c = (world.write(s, slow(rng, 300, 3), 1.0) for s in "abc")
    study = world.study(method="cca", parents=["a", "b"], components=5)
    cases = [
        ([a, b], "5 wanted, but"),
        ([a], "its parent b has no feature file among those given"),
        ([a, b, c], "not a parent of fusion.both"),
    ]
    for parents, words in cases:
        with pytest.raises(UserError, match=words) as caught:
            world.fitted(study, parents)
        assert "\n" not in str(caught.value)
    good = world.study(method="pca", parents=["a", "b"], components=2)
    path, _ = world.fitted(good, [a, b])
    with pytest.raises(UserError, match="no layer 'shared'; there is components"):
        fuse(good, [a, b], path, world.folder / "shared.h5")
    other = world.study(method="pca", parents=["a", "b"], components=3)
    with pytest.raises(UserError, match="was fitted with other options"):
        fuse(other, [a, b], path, world.folder / "components.h5")
    few = world.study(method="embedding", parents=["a", "b"])
    world.write_stimuli(
        [("run-1", 0.0, 30.0), ("run-2", *TEST)], {"run-1": "train", "run-2": "test"}
    )
    with pytest.raises(UserError, match="the joint embedding needs 16 of each"):
        world.fitted(few, [a, b])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parents": ["a", "nope"]}, "fusion.both.parents: no feature space 'nope'"),
        ({"parents": ["a"]}, "fusion.both.cca.parents"),
        ({"method": "magic"}, "fusion.both"),
        ({"scale": "band"}, "fusion.both.cca.scale: unknown key"),
    ],
)
def test_the_config_is_checked(world: World, change: dict[str, Any], words: str) -> None:
    world.study(method="cca", parents=["a", "b"])
    path = world.folder / "config.yaml"
    content = yaml.safe_load(path.read_text())
    content["fusion"]["both"] |= change
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError) as caught:
        load(path)
    assert words in str(caught.value)


def test_a_space_has_one_name_and_a_model_can_name_it(world: World) -> None:
    world.study(method="cca", parents=["a", "b"])
    path = world.folder / "config.yaml"
    content = yaml.safe_load(path.read_text())
    content["models"] = {"m": {"datasets": ["films"], "bands": {"shared": ["both/shared"]}}}
    path.write_text(yaml.safe_dump(content))
    study = load(path).study
    assert study.spaces["both"].stream == "ventral"
    content["fusion"]["a"] = content["fusion"]["both"]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"fusion\.a: features has a space of this name already"):
        load(path)
