"""What librosa compiles is compiled by one process at a time, and before anything uses it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core import config

from helpers.sounds import clicks, write
from tristream.fetch.file_lock import lock
from tristream.media import librosa_loader

USES = """
import os, sys
from pathlib import Path

def compiled():
    return sorted(Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nb?"))

from tristream.media.librosa_loader import load_librosa
print("loading", flush=True)
load_librosa("beat")
before = compiled()

from tristream.features.core import registry
from tristream.features.spaces.musicnn import log_mel
from tristream.genre import sound_inputs
from tristream.media.sounds import read_sound

sound = read_sound(Path(sys.argv[1]), 22_050)
sound_inputs.descriptors(sound)
log_mel(sound)
for name in ("acoustics", "rhythm"):
    space = registry.get(name)
    for _ in space(Path(sys.argv[1]), space.layers, space.options(), None, "cpu"):
        pass
late = set(compiled()) - set(before)
assert before and not late, late
"""


def test_a_process_waits_for_another_and_compiles_all_before_any_use(tmp_path: Path) -> None:
    sound = write(tmp_path / "clicks.wav", clicks(2, 12))
    own = {"HOME": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "compiled")}
    with lock(tmp_path / librosa_loader.COMPILING.relative_to(Path.home())):
        process = subprocess.Popen(
            [sys.executable, "-c", USES, str(sound)],
            env={**os.environ, **own},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        assert not (tmp_path / "compiled").exists()
    assert process.wait(timeout=300) == 0


def test_without_locks_in_the_home_folder_a_process_compiles_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(librosa_loader, "COMPILING", tmp_path / "file" / "librosa.lock")
    shared, seen = config.CACHE_DIR, []
    monkeypatch.setattr(
        librosa_loader, "_imported", lambda names: seen.append((names[-1], config.CACHE_DIR))
    )
    librosa_loader.load_librosa.__wrapped__("beat")
    ((last, own),) = seen
    assert last == "librosa.beat"
    assert own not in ("", shared)
    assert not Path(own).exists()
    assert shared == config.CACHE_DIR
