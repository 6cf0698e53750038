"""The interface of readers: what can be registered, and which modules a layout needs."""

from typing import get_args

import pytest

from tristream.bold.readers import reader_module
from tristream.bold.readers.reader import READERS, Reader, reads
from tristream.bold.single_trials import ChosenEstimates
from tristream.bold.trials import ESTIMATORS, Estimator, estimates
from tristream.config.layouts import FmriprepLayout, Layout
from tristream.config.trials import Trials
from tristream.fingerprint import closure, fingerprint

LAYOUTS = get_args(get_args(Layout)[0])
KINDS = [layout.model_fields["kind"].default for layout in LAYOUTS]


@pytest.mark.parametrize("kind", KINDS)
def test_every_layout_has_a_reader_with_methods(kind: str) -> None:
    __import__(reader_module(kind))
    reader = READERS[kind]
    assert issubclass(reader, Reader)
    assert not reader.__abstractmethods__


@pytest.mark.parametrize("lacking", ["inspect", "prepare", "methods"])
def test_a_reader_that_lacks_a_part_is_not_registered(lacking: str) -> None:
    parts = {name: lambda self, *_: () for name in ("inspect", "prepare", "methods")}
    parts.pop(lacking)
    with pytest.raises(TypeError, match=f"Half, reader of layout fmriprep, lacks {lacking}"):
        reads(FmriprepLayout)(type("Half", (Reader,), parts))
    assert READERS.get("fmriprep", Reader).__name__ != "Half"


def test_an_estimator_of_trials_without_methods_is_not_registered() -> None:
    parts = {"weights": lambda self, *_: None}
    with pytest.raises(TypeError, match="Half, estimator of trials half, lacks methods"):
        estimates("half")(type("Half", (Estimator,), parts))
    assert ESTIMATORS["glmsingle"] is ChosenEstimates  # registered where a study asks for it
    assert set(ESTIMATORS) == set(get_args(Trials.model_fields["estimate"].annotation))


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_holds_the_reader_of_its_layout_and_no_other(kind: str) -> None:
    held = closure("tristream.bold.prepare", reader_module(kind))
    assert {reader_module(other) for other in KINDS} & held == {reader_module(kind)}
    # A table alone tells which of the responses to trials are a run's.
    table = {"", ".plain_text", ".trial_table"} if kind == "betas" else set()
    others = {name for name in held if name.startswith(("tristream.media", "tristream.stimuli"))}
    assert others == {f"tristream.stimuli{name}" for name in table}


def test_a_changed_reader_changes_no_other_key(monkeypatch: pytest.MonkeyPatch) -> None:
    from tristream import fingerprint as module

    keys = {k: fingerprint("tristream.bold.prepare", reader_module(k)) for k in KINDS}
    plain = module._code

    def changed(name: str) -> tuple[str, frozenset[str]]:
        code, imports = plain(name)
        return (f"{code}x" if name == reader_module("fmriprep_minimal") else code), imports

    monkeypatch.setattr(module, "_code", changed)
    module._fingerprint.cache_clear()
    try:
        found = {k: fingerprint("tristream.bold.prepare", reader_module(k)) for k in KINDS}
    finally:
        module._fingerprint.cache_clear()
    assert {kind for kind in KINDS if found[kind] != keys[kind]} == {"fmriprep_minimal"}
