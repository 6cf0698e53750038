"""Every parser of bytes of ours on bytes of anybody: an answer or a line, in bounded time."""

import io
import json
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from helpers.feature_files import write_features
from helpers.parsed_bytes import HEADS, bundle
from tristream.bold.resampling.transforms import read_affines, read_composite
from tristream.errors import UserError
from tristream.features.core.feature_file import open_features
from tristream.features.spaces.musicnn.checkpoint import DATA, INDEX, read_checkpoint
from tristream.fetch.annex import parse_key
from tristream.media.file_ends import bytes_missing, ends_openly, unclosed
from tristream.store import (
    Omission,
    Provenance,
    read_summed,
    read_table,
    write_summed,
    write_table,
)
from tristream.store.block_sums import MAGIC as SUMS
from tristream.store.block_sums import Damaged, SealedFile

pytest.importorskip("hypothesis", reason="pip install 'tristream[dev]' brings it")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BOUNDED = settings(
    max_examples=250,
    deadline=2000,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
# Where to change a file, and to what.
CHANGES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8)


def damaged(content: bytes, changes: list[tuple[int, int]]) -> bytes:
    out = bytearray(content)
    for place, value in changes:
        out[place % len(out)] = value
    return bytes(out)


def line(path: Path, read: Callable[[Path], Any]) -> str:
    """What a user is told; nothing where it is read."""
    told = ""
    try:
        read(path)
    except UserError as error:
        told = str(error)
    assert "\n" not in told
    return told


@BOUNDED
@given(changes=CHANGES, whole=st.booleans())
def test_checkpoints(tmp_path, changes, whole):
    index, values = bundle()
    (tmp_path / DATA).write_bytes(values)
    (tmp_path / INDEX).write_bytes(index)
    assert read_checkpoint(tmp_path)["c"].tolist() == [4, 5, 6, 7, 8, 9]
    (tmp_path / INDEX).write_bytes(damaged(index if whole else index[:-48], changes) + index[-48:])
    line(tmp_path, read_checkpoint)


@pytest.mark.parametrize("kind", HEADS)
@BOUNDED
@given(changes=CHANGES, more=st.binary(max_size=64))
def test_ends_of_films_and_sounds(tmp_path, kind, changes, more):
    path = tmp_path / "film"
    path.write_bytes(damaged(HEADS[kind], changes) + more)
    missing = bytes_missing(path)
    assert missing is None or missing >= 0
    assert isinstance(ends_openly(path), bool)
    assert isinstance(unclosed(path), bool)


def composite() -> bytes:
    """Transforms as ITK writes them."""
    stored = io.BytesIO()
    with h5py.File(stored, "w") as file:
        for key, kind, parameters, fixed in (
            ("0", "CompositeTransform_double_3_3", [], []),
            ("1", "AffineTransform_double_3_3", [1, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4], [0, 0, 0]),
            (
                "2",
                "DisplacementFieldTransform_float_3_3",
                np.zeros(81),
                [3, 3, 3, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1],
            ),
        ):
            group = file.create_group(f"TransformGroup/{key}")
            group["TransformType"] = [kind.encode()]
            group["TransformParameters"] = np.asarray(parameters, float)
            group["TransformFixedParameters"] = np.asarray(fixed, float)
    return stored.getvalue()


KINDS = st.sampled_from(["Affine", "DisplacementField", "é"])
NUMBERS = st.lists(st.floats(width=32) | st.sampled_from([1e30, -1.0, 0.5]), max_size=18)


@BOUNDED
@given(
    parameters=NUMBERS, fixed=NUMBERS, kind=st.sampled_from(["Affine", "DisplacementField", "é"])
)
def test_composites_with_odd_values(tmp_path, parameters, fixed, kind):
    """HDF5 reads the bytes; what is ours is what is made of the values."""
    path = tmp_path / "x.h5"
    path.write_bytes(composite())
    assert len(read_composite(path)) == 2
    with h5py.File(path, "r+") as file:
        group = file["TransformGroup/1"]
        for name, value in (
            ("TransformType", [f"{kind}Transform_double_3_3".encode()]),
            ("TransformParameters", np.asarray(parameters, float)),
            ("TransformFixedParameters", np.asarray(fixed, float)),
        ):
            del group[name]
            group[name] = value
    line(path, read_composite)


def test_a_composite_that_reaches_out_of_itself_is_refused(tmp_path):
    path = tmp_path / "x.h5"
    for kind in ("link", "declared"):
        path.write_bytes(composite())
        with h5py.File(path, "r+") as file:
            group = file["TransformGroup/2"]
            del group["TransformParameters"]
            if kind == "link":
                group["TransformParameters"] = h5py.ExternalLink("other.h5", "/x")
            else:
                group.create_dataset("TransformParameters", (10**9,), "f4", chunks=(10**6,))
        assert "stranger's" in line(path, read_composite), kind


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
)
JSON = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
GIVEN = Provenance("regions", True, {"tr": 2.0}, "abc", (Omission("p", "few"),), ("It was read.",))


@BOUNDED
@given(data=st.data(), value=JSON)
def test_sidecars_of_tables(tmp_path, data, value):
    """Whoever writes a sidecar writes its checksum."""
    write_table(tmp_path / "a.tsv", pd.DataFrame({"x": [1, 2], "y": ["a", "b"]}), GIVEN)
    stored = read_summed(tmp_path / "a.json")
    key = data.draw(st.sampled_from([*stored, "other"]))
    write_summed(tmp_path / "a.json", {**stored, key: value})
    line(tmp_path / "a.tsv", lambda path: read_table(path, GIVEN.kind))


@BOUNDED
@given(changes=CHANGES)
def test_bytes_of_sidecars(tmp_path, changes):
    write_table(tmp_path / "a.tsv", pd.DataFrame({"x": [1, 2]}), GIVEN)
    path = tmp_path / "a.json"
    path.write_bytes(damaged(path.read_bytes(), changes))
    line(tmp_path / "a.tsv", lambda path: read_table(path, GIVEN.kind))


# What an attribute may hold: JSON, numbers, bytes, arrays, nothing.
ATTRIBUTES = (
    JSON.map(json.dumps)
    | st.text(max_size=20).map(lambda text: text.replace("\0", ""))
    | st.integers(-(2**40), 2**40)
    | st.booleans()
    | st.floats()
    | st.binary(min_size=1, max_size=8).map(np.bytes_)
    | st.lists(st.floats(), max_size=3).map(np.array)
    | st.just(h5py.Empty("f"))
)


@BOUNDED
@given(data=st.data(), value=ATTRIBUTES)
def test_attributes_of_features(tmp_path, data, value):
    path = write_features(tmp_path / "a.h5", "s/a", items=["x", "y"], values=np.ones((2, 1)))
    with h5py.File(path, "a") as file:
        name = data.draw(st.sampled_from([*file.attrs, "cost", "fit", "notes"]))
        file.attrs[name] = value
    with suppress(UserError), open_features(path) as features:
        assert features.provenance.kind == "features"
        assert isinstance(features.item_notes, dict)


@BOUNDED
@given(text=st.text(max_size=200), head=st.booleans())
def test_affine_texts(tmp_path, text, head):
    path = tmp_path / "x.txt"
    start = "#Insight Transform File V1.0\nTransform: AffineTransform_double_3_3\nParameters: "
    path.write_text((start if head else "") + text, encoding="utf-8", errors="surrogatepass")
    line(path, read_affines)


@BOUNDED
@given(key=st.text(max_size=80) | st.from_regex(r"[A-Z0-9]{1,6}(-s[0-9]{1,30})?--[0-9a-f.]{0,40}"))
def test_annex_keys(key):
    size, checksum = parse_key(key)
    assert size is None or size >= 0
    assert not checksum or ":" in checksum


@BOUNDED
@given(
    content=st.binary(max_size=300),
    count=st.integers(0, 2**64 - 1),
    block=st.integers(0, 2**32 - 1),
)
def test_checksums_of_blocks(tmp_path, content, count, block):
    """Bytes of anybody, also with a footer that is right in itself and says what it likes."""
    path = tmp_path / "a.h5"
    whole = zlib.crc32(struct.pack("<QI", count, block), zlib.crc32(content[-4:]))
    for tail in (b"", struct.pack("<QII16s", count, block, whole, SUMS)):
        path.write_bytes(content + tail)
        with suppress(Damaged), SealedFile(path) as file:
            file.read()


def test_an_element_longer_than_any_file_can_be_is_passed_over(tmp_path):
    path = tmp_path / "film"
    path.write_bytes(b"\x1a\x45\xdf\xa3\x01\xff" + b"\x43" * 12)
    assert bytes_missing(path) is None
    assert not ends_openly(path)


@pytest.mark.parametrize("size", [48, 51, 52, 200])
def test_a_short_head_of_any_version_of_hdf5_is_read(tmp_path, size):
    path = tmp_path / "a.h5"
    for version in range(5):
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes([version]) + b"\xff" * (size - 9))
        with SealedFile(path) as file:
            assert len(file.read()) == size
