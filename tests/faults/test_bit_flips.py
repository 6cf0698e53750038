"""A damaged file is refused in one line or gives the values that were written: never others."""

import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from helpers.small_study import environment
from tristream.config.settings.maps import GroupMapsSettings
from tristream.errors import UserError
from tristream.features.core.chunks import ChunkFolder
from tristream.features.core.registry import Block
from tristream.results import PLACES, Layout
from tristream.store import (
    Provenance,
    create_h5,
    open_h5,
    provenance_at,
    read_json,
    read_mapped,
    read_table,
    sidecar,
    write_json,
    write_strings,
    write_table,
)
from tristream.store.block_sums import BLOCK, Damaged, SealedFile

GIVEN = Provenance("bold", True, {"tr": 2.0}, "abc", methods=("It was read.",))
Damage = Callable[[bytes, random.Random], bytes]


def one_bit(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    return (
        content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]
    )


def some_bytes(content: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(chance.randrange(1, 20)):
        damaged[chance.randrange(len(content))] = chance.randrange(256)
    return bytes(damaged)


def no_sector(content: bytes, chance: random.Random) -> bytes:
    """A block of 512 bytes that never reached the disk; often the last one."""
    start = chance.choice([chance.randrange(len(content)), len(content) - 1]) // 512 * 512
    return content[:start] + bytes(len(content[start : start + 512])) + content[start + 512 :]


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def all_of_h5(path: Path, kind: str) -> dict[str, Any]:
    """Every array and attribute, as the readers of all kinds get at them."""
    found: dict[str, Any] = {}
    with open_h5(path, kind) as (file, provenance):
        found["provenance"] = provenance

        def keep(name: str, item: Any) -> None:
            found[name] = item[()].tolist() if isinstance(item, h5py.Dataset) else None
            found.update({f"{name}@{key}": str(value) for key, value in item.attrs.items()})

        keep_root = {f"@{key}": str(value) for key, value in file.attrs.items()}
        file.visititems(keep)
    return found | keep_root


def content_of(path: Path, kind: str) -> str:
    """All that a reader can get of a file, as text."""
    if path.suffix == ".h5":
        return repr(all_of_h5(path, kind))
    if path.suffix == ".tsv":
        table, provenance = read_table(path, kind)
        return repr((table.to_dict("list"), provenance))
    return repr(read_json(path, kind))


def outcome(read: Callable[[], str]) -> tuple[str, str]:
    """What is read, or what a user is told."""
    try:
        return read(), ""
    except UserError as error:
        return "", str(error)


def hold(damaged: Path, read: Callable[[], str], chance: random.Random, tries: int) -> None:
    """Damage a file in many ways, one after the other."""
    good, content = read(), damaged.read_bytes()
    told = 0
    try:
        for _ in range(tries):
            for damage in (one_bit, some_bytes, no_sector, cut):
                damaged.write_bytes(damage(content, chance))
                found, said = outcome(read)
                assert found == good or said, damage
                told += bool(said)
                assert "\n" not in said
                assert not said or str(damaged.with_suffix("")) in said
    finally:
        damaged.write_bytes(content)
    assert told > tries


@pytest.mark.xdist_group("study")
def test_files_of_every_kind_of_the_small_study(study: Path, monkeypatch):
    monkeypatch.chdir(study)
    chance, layout = random.Random(16), Layout("results")
    kinds: dict[tuple[str, str], Path] = {}
    for path in sorted(Path("results").rglob("*.*")):
        for name, place in PLACES.items():
            if place.kind and layout.wildcards(name, path):
                kinds.setdefault((name, place.kind), path)
    assert {kind for _, kind in kinds} >= {"receipt", "truth", "features", "bold", "encoding"}
    for (_, kind), path in kinds.items():
        own = "checksum" if path.suffix == ".json" else None
        assert own is None or own in path.read_text()
        hold(path, lambda path=path, kind=kind: content_of(path, kind), chance, 6)
        if path.suffix == ".tsv":
            hold(sidecar(path), lambda path=path, kind=kind: content_of(path, kind), chance, 6)


def small(path: Path) -> None:
    """Arrays in one piece, in chunks, compressed, of text; attributes; groups."""
    rng = np.random.default_rng(0)
    with create_h5(path, GIVEN) as file:
        file["whole"] = rng.normal(size=(300, 100)).astype(np.float32)
        file.create_dataset("chunks", data=rng.normal(size=(200, 100)), chunks=(50, 30))
        file.create_dataset("lzf", data=np.arange(9000) // 7, chunks=(1000,), compression="lzf")
        write_strings(file, "group/names", ["é", "b"])
        file["group"].attrs["edge"] = 0.25
        file.attrs["tr"] = 2.0


def test_any_byte_of_an_hdf5_file(tmp_path):
    path = tmp_path / "a.h5"
    small(path)
    hold(path, lambda: content_of(path, "bold"), random.Random(1), 100)


def test_without_checksums_the_same_damage_passes(tmp_path):
    """The positive control: a file as it was before, or of another program, is read as it is."""
    path = tmp_path / "a.h5"
    small(path)
    with h5py.File(path, "r+"):
        pass  # HDF5 cuts off what it does not know
    with SealedFile(path) as raw:
        assert not raw.is_sealed
    good, content = content_of(path, "bold"), path.read_bytes()
    with h5py.File(path) as file:
        place = file["whole"].id.get_offset()
    path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
    assert content_of(path, "bold") != good


def test_weights_in_memory_maps_are_checked_first(tmp_path):
    path = tmp_path / "a.h5"
    small(path)
    good = np.array(read_mapped(path, "bold", "whole"))
    assert isinstance(read_mapped(path, "bold", "whole"), np.memmap)
    content = path.read_bytes()
    with h5py.File(path) as file:
        place = file["whole"].id.get_offset() + 4 * 12345
        np.testing.assert_array_equal(good, file["whole"][()])
    path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
    with pytest.raises(UserError, match=r"a\.h5: .*bytes \d+ to \d+ are not those"):
        read_mapped(path, "bold", "whole")


def test_files_that_are_left_open_crash_no_process(tmp_path):
    """HDF5 closes them after Python has gone."""
    path = tmp_path / "a.h5"
    small(path)
    script = (
        "import sys; from tristream.store import open_h5\n"
        "left = open_h5(sys.argv[1], 'bold')\n"
        "file, _ = left.__enter__()\n"
        "print(file['whole'].shape)\n"
    )
    call = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(call, capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stdout) == (0, "(300, 100)\n"), done.stderr
    path.write_bytes(b"\0" + path.read_bytes()[1:])
    done = subprocess.run(call, capture_output=True, text=True, env=environment())
    assert done.returncode == 1
    assert "can't be read as HDF5 (bytes 0 to" in done.stderr


def test_a_part_is_read_without_the_rest_and_a_reader_without_hdf5_gets_the_error(tmp_path):
    path = tmp_path / "a.h5"
    with create_h5(path, GIVEN) as file:
        file["x"] = np.arange(10 * BLOCK // 8, dtype=float)
    content = bytearray(path.read_bytes())
    content[8 * BLOCK] ^= 1
    path.write_bytes(content)
    with open_h5(path, "bold") as (file, _):
        np.testing.assert_array_equal(file["x"][:100], np.arange(100))
    with (
        pytest.raises(UserError, match="are not those that were written"),
        open_h5(path, "bold") as (file, _),
        suppress(Damaged),  # a reader that goes on all the same
    ):
        file["x"][:]


def test_tables_and_json(tmp_path):
    table = tmp_path / "t.tsv"
    write_table(table, pd.DataFrame({"run": ["01", "02"], "n": [1.5, np.nan]}), GIVEN, {"n": "n"})
    for path in (table, sidecar(table)):
        hold(path, lambda: content_of(table, "bold"), random.Random(2), 50)
    path = tmp_path / "x.json"
    write_json(path, {"n": 12.5, "m": float("nan"), "é": [1, {"a": True}]}, GIVEN)
    hold(path, lambda: content_of(path, "bold"), random.Random(3), 100)
    assert provenance_at(path, "bold") == GIVEN


def test_settings_and_chunks(tmp_path):
    settings = GroupMapsSettings(
        dataset="bunny", section="models", name="streams", task="film", space=None
    )
    path = Path(settings.write(tmp_path))
    hold(path, lambda: repr(GroupMapsSettings.read(path)), random.Random(4), 50)
    path.write_bytes(b"{}")
    settings.write(tmp_path)
    assert GroupMapsSettings.read(path) == settings

    folder = ChunkFolder(tmp_path / "chunks", ["layer"])
    folder.write("layer", "film", 0, Block(np.arange(60.0).reshape(6, 10), np.arange(6.0)))
    folder.finish("layer", "film", {"fps": 2.5})
    for name in ("000000.npz", "done.json"):
        hold(
            tmp_path / "chunks/layer/film" / name,
            lambda: repr(
                (
                    [b.tolist() for b in folder.blocks("layer", "film")],
                    folder.times("layer", "film"),
                    folder.notes("layer", "film"),
                )
            ),
            random.Random(5),
            100,
        )
