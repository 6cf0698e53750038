"""Folders of music: what is left out, what stays together, what is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helpers.sounds import write
from tristream.errors import UserError
from tristream.genre.corpus import read_corpus, split_corpus
from tristream.genre.gtzan import FAULTS
from tristream.media.sounds import read_sound

RATE = 16_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two genres of six tracks under names of GTZAN, one of them damaged there."""
    rng = np.random.default_rng(1)
    for genre, numbers in {"jazz": (50, 51, 52, 53, 54, 55), "rock": range(6)}.items():
        for number in numbers:
            sound = 0.1 * rng.standard_normal(RATE // 4)
            write(tmp_path / f"music/{genre}/{genre}.{number:05}.wav", sound)
    return tmp_path / "music"


def test_list_of_faults_is_that_of_the_filtered_partition() -> None:
    """930 tracks of the partition, and one more that can't be decoded."""
    assert len(FAULTS) == 71
    assert {"jazz.00054", "reggae.00086", "pop.00015", "classical.00042"} <= set(FAULTS)
    # Tracks that the music dataset presents are no concern of the list.
    assert "blues.00000" not in FAULTS


def test_faults_are_left_out_by_option(folder: Path) -> None:
    (folder / "rock/rock.00009.wav").write_bytes(b"RIFF no sound")
    shutil.copy(folder / "rock/rock.00000.wav", folder / "rock/rock.00007.wav")
    write(folder / "rock/rock.00008.wav", np.zeros(RATE // 4))
    found = read_corpus(folder, leave_out_faults=True)
    assert set(found.left_out) == {
        "jazz/jazz.00054.wav",
        "rock/rock.00007.wav",
        "rock/rock.00008.wav",
        "rock/rock.00009.wav",
    }
    assert found.left_out["rock/rock.00007.wav"] == "is a copy of rock/rock.00000.wav"
    assert found.left_out["rock/rock.00008.wav"] == "silence"
    assert len(found.tracks) == 11


def test_copies_and_groups_are_on_one_side(folder: Path) -> None:
    for number in range(6):
        copy = folder / f"rock/again.{number:05}.wav"
        shutil.copy(folder / f"rock/rock.{number:05}.wav", copy)
    for seed in range(5):
        corpus = split_corpus(read_corpus(folder), seed)
        sides: dict[str, set[str]] = {}
        for track in corpus.tracks:
            sides.setdefault(track.sha256, set()).add(track.split)
        assert all(len(side) == 1 for side in sides.values())
        assert {t.split for t in corpus.tracks} == {"train", "validation", "test"}
    table = folder.parent / "artists.tsv"
    rows = [f"{t.path.stem}\t{t.genre}{i % 5}" for i, t in enumerate(corpus.tracks)]
    table.write_text("\n".join(["track\tgroup", *rows]))
    grouped = split_corpus(read_corpus(folder, groups=table))
    artists: dict[str, set[str]] = {}
    for track in grouped.tracks:
        artists.setdefault(track.group, set()).add(track.split)
    assert len(artists) == 10
    assert all(len(side) == 1 for side in artists.values())


def test_sounds_of_test_runs_are_kept_out(folder: Path, trailer: Path, tmp_path: Path) -> None:
    """The same file, and a part of it at another rate and quieter; no other part of the film."""
    first, second = (read_sound(trailer, 48_000, start, start + 8) for start in (10, 30))
    presented = write(tmp_path / "presented.wav", first, 48_000)
    shutil.copy(presented, folder / "jazz/copy.wav")
    write(folder / "jazz/another.wav", second, 48_000)
    quieter = read_sound(presented, 22_050, 0.3)
    write(folder / "jazz/quieter.wav", 0.4 * quieter, 22_050)
    found = read_corpus(folder, kept_out=[presented])
    assert found.left_out["jazz/copy.wav"] == "kept out: is the file presented.wav"
    assert found.left_out["jazz/quieter.wav"].startswith("kept out: sounds like presented.wav")
    assert set(found.left_out) == {"jazz/copy.wav", "jazz/quieter.wav"}
    assert list(found.kept_out.values()) == ["presented.wav"]


def _few(folder: Path) -> None:
    for number in (0, 1):
        (folder / f"rock/rock.0000{number}.wav").unlink()


def _one_genre(folder: Path) -> None:
    shutil.rmtree(folder / "rock")


def _gone(folder: Path) -> None:
    shutil.rmtree(folder)


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "few": (_few, "rock: 4 tracks"),
    "one genre": (_one_genre, "sounds of fewer than two genres"),
    "no folder": (_gone, "no such folder"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_folders_that_are_refused(folder: Path, fault: str) -> None:
    change, said = REFUSED[fault]
    change(folder)
    with pytest.raises(UserError, match=said):
        read_corpus(folder)


def test_tables_of_groups_that_are_refused(folder: Path) -> None:
    table = folder.parent / "groups.tsv"
    with pytest.raises(UserError, match="can't be read as a table"):
        read_corpus(folder, groups=table)
    table.write_text("track\tgroup\njazz.00050\ta\n")
    with pytest.raises(UserError, match=r"has no group of jazz/jazz\.00051\.wav"):
        read_corpus(folder, groups=table)
    names = [path.stem for path in sorted(folder.glob("*/*"))]
    table.write_text("\n".join(["track\tgroup", *(f"{name}\tone" for name in names)]))
    with pytest.raises(UserError, match="group one has tracks of jazz and rock"):
        read_corpus(folder, groups=table)
    with pytest.raises(UserError, match=r"absent\.wav: no such file"):
        read_corpus(folder, kept_out=[folder / "absent.wav"])
