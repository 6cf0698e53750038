"""Networks of a hub: pinned, without pickles and code, whole or not at all, then used offline."""

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from helpers import tiny_networks
from helpers.features_study import FilmStudy
from helpers.model_hub import hub
from helpers.watermarks import watermarked
from tristream.config.sources import HubSource
from tristream.errors import UserError
from tristream.features.core.feature_file import open_features
from tristream.features.core.networks.load_network import load_network
from tristream.fetch.receipt import Receipt
from tristream.fetch.weights import _licence, fetch_network, hub_folder, network_files

REVISION = "0123456789abcdef0123456789abcdef01234567"
PINNED = {"model": "owner/name", "revision": REVISION}


@pytest.fixture
def hosted(tmp_path: Path) -> Path:
    """What a hub holds: a network, and beside it things that must not be brought."""
    folder = tmp_path / "hub/owner/name" / REVISION
    tiny_networks.save(tiny_networks.IMAGE["dinov2"], folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A network\n")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling_own.py").write_text("raise SystemExit")
    return tmp_path / "hub"


@pytest.fixture
def study(tmp_path: Path) -> FilmStudy:
    film = watermarked(tmp_path / "stimuli/film.mp4", 12)
    space = {"stream": "ventral", "extractor": "image_network", "options": {**PINNED, "fps": 4}}
    study = FilmStudy(tmp_path, [film], {"net": {**space, "layers": ["all"]}})
    path = tmp_path / "config.yaml"
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**content, "data": str(tmp_path / "data")}))
    return study


def command(study: FilmStudy, *words: str, endpoint: str = "") -> subprocess.CompletedProcess:
    env = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_TELEMETRY": "1"}
    env |= {"HF_HOME": str(study.folder / "home"), "HF_HUB_DISABLE_XET": "1"}
    env.pop("HF_HUB_OFFLINE", None)  # jobs set it, and tests of jobs share this process
    call = [
        sys.executable,
        "-m",
        "tristream",
        *words,
        "--config",
        str(study.folder / "config.yaml"),
    ]
    return subprocess.run(call, env=env, capture_output=True, text=True, check=False)


def test_fetched_once_then_used_without_a_network(hosted: Path, study: FilmStudy) -> None:
    with hub(hosted) as (address, asked):
        before = command(study, "config", "check", endpoint=address)
        assert "run `tristream weights fetch`" in before.stderr
        done = command(study, "weights", "fetch", endpoint=address)
        assert done.returncode == 0, done.stderr
        assert "net: owner/name 0123456789ab (0 MB) in" in done.stdout
        assert not [path for path in asked if path.endswith((".bin", ".py"))]
        folder = hub_folder(HubSource(**PINNED), study.folder / "data")
        assert sorted(path.name for path in folder.iterdir()) == [
            "README.md",
            "config.json",
            "fetched.json",
            "model.safetensors",
            "preprocessor_config.json",
        ]
        count = len(asked)
        assert command(study, "weights", "fetch", endpoint=address).returncode == 0
        assert len(asked) == count  # what is there is verified, not asked for
    receipt = study.folder / "receipt_net.json"
    done = command(study, "fetch", "weights", "--space", "net", "--output", str(receipt))
    assert done.returncode == 0, done.stderr
    fetched = Receipt.read(receipt)
    assert (fetched.commit, fetched.licence) == (REVISION, "apache-2.0")
    with open_features(study.extract("net", "layer2", weights=receipt)) as file:
        weights = file.about.weights
        assert weights[1]["file"] == f"owner/name@{REVISION}/model.safetensors"
        assert weights[1]["licence"] == "apache-2.0"
        assert len(weights[1]["sha256"]) == 64
        assert file.stimuli["film"].values.shape == (2, 32)


def test_an_unknown_commit_leaves_nothing(hosted: Path, study: FilmStudy) -> None:
    (hosted / "owner/name" / REVISION).rename(hosted / "owner/name/elsewhere")
    with hub(hosted) as (address, _):
        done = command(study, "weights", "fetch", endpoint=address)
    assert done.returncode == 2
    assert "owner/name 0123456789ab: can't be fetched" in done.stderr
    assert "check model and revision" in done.stderr
    assert "Traceback" not in done.stderr
    folder = hub_folder(HubSource(**PINNED), study.folder / "data")
    assert not folder.exists()
    assert not list(folder.parent.glob(".*part"))


def test_a_model_of_pickles_alone_is_refused(hosted: Path, study: FilmStudy) -> None:
    (hosted / "owner/name" / REVISION / "model.safetensors").unlink()
    with hub(hosted) as (address, asked):
        done = command(study, "weights", "fetch", endpoint=address)
    assert done.returncode == 2
    assert "weights must be safetensors" in done.stderr
    assert not [path for path in asked if path.endswith(".bin")]


def test_changed_weights_are_noticed(tmp_path: Path) -> None:
    source = HubSource(**PINNED)
    folder = hub_folder(source, tmp_path)
    tiny_networks.save(tiny_networks.IMAGE["dinov2"], folder)
    manifest = {"files": {"model.safetensors": "0" * 64}, "licence": ""}
    (folder / "fetched.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="is not what was fetched; delete"):
        fetch_network("net", source, tmp_path)


def test_folders_that_hold_no_network(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: no such folder"):
        network_files(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"holds no config\.json"):
        network_files(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="holds no weights"):
        network_files(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(UserError, match=r"only pytorch_model\.bin, which is not opened"):
        network_files(tmp_path)


ALIASES = "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefgh"))


@pytest.mark.parametrize(
    ("header", "licence"),
    [
        (b"license: apache-2.0\nlanguage: [en]", "apache-2.0"),
        (b"license: 'other'\nlicense_name: x", "other"),
        (b"license:", ""),
        (b"license: [mit, gpl]", ""),
        (b"license: 1.0", ""),
        (b"license: \xff", ""),
        (b"license: " + b"x" * 200, ""),
        (b"[" * 3000, ""),
        (b"license: " + b"{a: " * 3000, ""),
        (f"a: &a [x]\n{ALIASES}license: *h".encode(), ""),
        (f"a: &a {{x: 1}}\n{ALIASES}<<: *h\nlicense: mit".encode(), "mit"),
        (b'license: "\\UFFFFFFFF"', ""),
        (b"license: &a [*a]", ""),
        (b"license: *a", ""),
        (b"? [license]\n: mit", ""),
        (b"%YAML " + b"9" * 5000 + b".1\nlicense: mit", ""),
        (b"a: " + b"x" * 70_000 + b"\nlicense: mit", ""),
        (b"\0", ""),
        (b"", ""),
    ],
    ids=lambda value: str(value)[:30],
)
def test_licences_of_model_cards(header: bytes, licence: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"---\n" + header + b"\n---\n# A network\n")
    start = time.process_time()
    assert _licence(tmp_path) == licence
    assert time.process_time() - start < 5


ODD_CONFIGS: dict[str, dict[str, object]] = {
    "width in a list": {"hidden_size": [1]},
    "activation in a list": {"hidden_act": [1]},
    "patches of nothing": {"patch_size": 0},
    "type in a list": {"model_type": [1]},
    "heads of nothing": {"num_attention_heads": 0},
    "layers as text": {"num_hidden_layers": "many"},
    "no image": {"image_size": None},
    "names as a number": {"id2label": 3},
}


@pytest.mark.parametrize("kind", ODD_CONFIGS)
def test_descriptions_in_which_anything_stands(kind: str, tmp_path: Path) -> None:
    folder = tiny_networks.save(tiny_networks.IMAGE["vit"], tmp_path / "net")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | ODD_CONFIGS[kind]))
    with pytest.raises(UserError, match="can't be loaded as AutoModel") as caught:
        load_network(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["damaged", "other shape", "headless", "own code"])
def test_networks_that_cannot_be_loaded(kind: str, tmp_path: Path) -> None:
    folder = tiny_networks.save(tiny_networks.IMAGE["dinov2"], tmp_path / "net")
    config = json.loads((folder / "config.json").read_text())
    name = "AutoModel"
    if kind == "damaged":
        (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    elif kind == "other shape":
        config["hidden_size"] = 64
    elif kind == "headless":
        name = "AutoModelForImageClassification"
    else:
        config |= {"model_type": "own", "auto_map": {"AutoModel": "modeling_own.Own"}}
        (folder / "modeling_own.py").write_text("raise SystemExit('executed')")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"can't be loaded|lacks 2 weights") as caught:
        load_network(folder, name)
    assert "\n" not in str(caught.value)
