"""Extractors are found, and what config.yaml says of them is checked in one line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import REPOSITORY
from tristream.config.feature_spaces import FeatureSpace
from tristream.errors import UserError
from tristream.features.core import checked_space as spaces
from tristream.features.core import registry
from tristream.features.core.reference_page import markdown
from tristream.fingerprint import fingerprint

OWN = '''
"""A user's own extractor."""

import numpy as np

from tristream.config.base import Section
from tristream.features.core.registry import Block, extractor


class Options(Section):
    rate: float = 5.0


@extractor(
    "ramp",
    media="film",
    layers=("up", "down"),
    default=("up",),
    options=Options,
    methods=lambda used: f"a ramp of {used.options.rate:g} a second",
)
def ramp(path, layers, options, weights, device):
    """Rises with time."""
    times = np.arange(10) / options.rate
    yield {layer: Block(times[:, None], times) for layer in layers}
'''


def space(**keys: object) -> FeatureSpace:
    return FeatureSpace(stream="dorsal", **keys)  # type: ignore[arg-type]


def own_file(folder: Path, text: str = OWN) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / "ramp.py"
    path.write_text(text)
    return str(path)


def test_packaged_extractors_are_found_by_their_decorator() -> None:
    found = registry.names()
    assert {"efficientnet_lite0", "motion_energy", "optical_flow", "lowlevel", "colour"} <= set(
        found
    )
    for name in found:
        one = registry.get(name)
        assert one.name == name
        assert one.summary
        # A network has to be named; all else has a default.
        choices = {"folder": "network", "untrained": True}
        named = {key: choices[key] for key in choices if key in one.options.model_fields}
        options = one.options(**named)
        if not callable(one.layers):
            assert set(one.default_of(options, None)) <= set(one.layers_of(options, None))
        assert len(fingerprint(one.module)) == 12


def test_the_written_reference_is_up_to_date() -> None:
    text = (REPOSITORY / "docs/features.md").read_text()
    assert text == markdown(), "run: tristream features reference"
    for name in registry.names():
        assert f"](#{name})" in text
        assert f"\n## {name}\n" in text
        for option in registry.get(name).options.model_fields:
            assert f"| `{option}` |" in text.split(f"\n## {name}\n")[1].split("\n## ")[0]


def test_finding_extractors_imports_nothing_heavy() -> None:
    code = (
        "import sys; from tristream.features.core import registry; registry.known();"
        "print([m for m in ('torch', 'cv2', 'librosa', 'h5py', 'pandas', 'sklearn', 'av')"
        " if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stdout + answer.stderr


def test_defaults() -> None:
    checked = spaces.check("net", space(extractor="efficientnet_lite0"))
    assert checked.layers == ("blocks2", "blocks6", "blocks12", "head")
    assert checked.options.model_dump() == {"fps": 2.0, "grid": 1}


def test_layers_keep_their_order_and_stand_once() -> None:
    block = space(extractor="efficientnet_lite0", layers=["head", "blocks2", "head"])
    assert spaces.check("net", block).layers == ("head", "blocks2")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"extractor": "optical_flo"},
            "study.yaml: features.flow.extractor: no extractor 'optical_flo'; there are",
        ),
        (
            {"extractor": "optical_flow", "layers": ["flow", "speed"]},
            "study.yaml: features.flow.layers: optical_flow has no layer speed; it has flow",
        ),
        (
            {"extractor": "optical_flow", "options": {"rate": 3}},
            "study.yaml: features.flow.options.rate: unknown option; optical_flow has fps, size",
        ),
        (
            {"extractor": "optical_flow", "options": {"fps": -1}},
            "study.yaml: features.flow.options.fps: Input should be greater than 0",
        ),
        (
            {"extractor": "ramp", "module": "nowhere.py"},
            "study.yaml: features.flow.extractor: nowhere.py: no such .py file",
        ),
    ],
)
def test_a_mistake_is_one_line(keys: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        spaces.check("flow", space(**keys), "study.yaml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_own_module(tmp_path: Path) -> None:
    module = own_file(tmp_path)
    checked = spaces.check(
        "mine", space(extractor="ramp", module=module, options={"rate": 2}, layers=["down"])
    )
    assert checked.extractor.module == module
    assert checked.extractor.summary == "Rises with time."
    assert checked.options.model_dump() == {"rate": 2.0}
    assert "ramp" not in registry.names()
    assert list(registry.known(module)) == ["ramp"]
    assert len(fingerprint(checked.extractor.module)) == 12


def test_own_modules_of_one_name_are_those_of_their_studies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ramp", "slope"):
        own_file(tmp_path / name, OWN.replace("ramp", name))
        monkeypatch.chdir(tmp_path / name)
        assert list(registry.known("ramp.py")) == [name]
        assert registry.get(name, "ramp.py").module == "ramp.py"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("def broken(:\n", "SyntaxError"), ("import no_such_package\n", "no_such_package")],
)
def test_own_module_that_cannot_be_imported(tmp_path: Path, text: str, reason: str) -> None:
    module = own_file(tmp_path, text)
    with pytest.raises(UserError, match=reason) as caught:
        registry.get("ramp", module)
    assert "\n" not in str(caught.value)


def test_an_extractor_without_methods_cannot_be_registered(tmp_path: Path) -> None:
    for methods, words in (
        ("", "missing 1 required keyword-only argument: 'methods'"),
        ('methods=""', "must tell"),
    ):
        text = re.sub(r"methods=lambda.*\n", f"{methods}\n", OWN)
        with pytest.raises(UserError, match=words):
            registry.known(own_file(tmp_path / str(len(methods)), text))


def test_a_job_imports_no_other_space() -> None:
    code = (
        "import sys; from tristream.features.core import registry; registry.get('colour');"
        "print([m for m in sys.modules if m.startswith('tristream.features.spaces.')])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "['tristream.features.spaces.colour']", answer.stderr


def test_methods_cite_what_there_is() -> None:
    """Each extractor, with options that change its method: keys of the shipped references."""
    bib = (REPOSITORY / "src/tristream/references.bib").read_text()
    choices = {
        "optical_flow": [{"method": m} for m in ("dis", "farneback", "tvl1", "ifnet")],
        "cornet_s": [{"untrained": True}, {"checkpoint": "x.pth", "project": 50}],
        "tracked_objects": [{}, {"detector": "detr"}],
        "image_network": [{"folder": "x", "pooling": p} for p in ("mean", "none", "grid:2")],
    }
    for name, one in registry.known().items():
        named = {"folder": "network"} if "folder" in one.options.model_fields else {}
        phrases = {
            one.phrase(registry.Used(one.options(**{**named, **options})))
            for options in choices.get(name, [{}])
        }
        assert len(phrases) == len(choices.get(name, [{}]))
        for phrase in phrases:
            assert phrase[0].islower() or phrase.startswith("OpenCV"), phrase
            assert not phrase.endswith(".")
            for key in re.findall(r"@(\w+)", phrase):
                assert f"{{{key}," in bib, f"{name}: {key}"


def test_the_example_of_a_sound_and_its_test_work(tmp_path: Path) -> None:
    import textwrap

    import numpy as np
    import soundfile

    assert registry.__doc__ is not None
    head = registry.__doc__.split("decorated function::")[1].split("class Options")[0]
    sound = registry.__doc__.split("seconds of media time::")[1]
    example, rest = sound.split("**A test to copy**")
    test = rest.split("calls it::")[1].split("**What the function gets")[0]
    path = tmp_path / "loudness.py"
    text = textwrap.dedent(head) + textwrap.dedent(example)
    path.write_text(text.replace("'''", '"""'))
    names = {"np": np, "soundfile": soundfile, "loudness": registry.get("loudness", str(path))}
    exec(textwrap.dedent(test), names)
    names["test_loudness"](tmp_path)


def test_the_example_in_the_docstring_works(tmp_path: Path) -> None:
    import textwrap

    assert registry.__doc__ is not None
    example = registry.__doc__.split("decorated function::")[1].split("A module of the package")[0]
    path = tmp_path / "brightness.py"
    path.write_text(textwrap.dedent(example).replace("'''", '"""'))
    assert (
        registry.get("brightness", str(path)).window(
            "mean", registry.get("brightness", str(path)).options()
        )
        == 0.25
    )
