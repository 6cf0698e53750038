"""Files say what they are, appear whole or not at all, and are refused when they don't."""

import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from tristream.errors import UserError
from tristream.store import (
    Omission,
    Provenance,
    create_h5,
    open_h5,
    read_json,
    read_strings,
    read_table,
    write_json,
    write_strings,
    write_summed,
    write_table,
)

GIVEN = Provenance("bold", True, {"tr": 2.0}, "abc", (Omission("p", "too few"),), ("It was read.",))


def test_hdf5_comes_back_as_written(tmp_path):
    path = tmp_path / "deep" / "x.h5"
    with create_h5(path, GIVEN) as file:
        file["bold"] = np.arange(6, dtype=np.float32).reshape(2, 3)
        write_strings(file, "names", ["é", "b"])
    with open_h5(path, "bold") as (file, provenance):
        assert provenance == GIVEN
        assert file["bold"].shape == (2, 3)
        assert read_strings(file, "names") == ["é", "b"]


def test_a_failed_write_leaves_nothing(tmp_path):
    def write():
        with create_h5(tmp_path / "x.h5", GIVEN) as file:
            file["bold"] = np.zeros(3)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_survives_a_failed_rewrite(tmp_path):
    write_json(tmp_path / "x.json", {"n": 1}, GIVEN)
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"n": object()}, GIVEN)
    assert read_json(tmp_path / "x.json", "bold")[0]["n"] == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("lost", ["simulated", "kind", "schema_version"])
def test_a_file_that_does_not_say_is_refused(tmp_path, lost):
    with create_h5(tmp_path / "x.h5", GIVEN):
        pass
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        del file.attrs[lost]
    with pytest.raises(UserError, match=lost), open_h5(tmp_path / "x.h5", "bold"):
        pass


def test_wrong_kind_missing_and_damaged_files_are_named(tmp_path):
    with create_h5(tmp_path / "x.h5", GIVEN):
        pass
    with pytest.raises(UserError, match=r"x\.h5: holds 'bold'"), open_h5(tmp_path / "x.h5", "y"):
        pass
    with pytest.raises(UserError, match=r"none\.h5"), open_h5(tmp_path / "none.h5", "bold"):
        pass
    (tmp_path / "cut.h5").write_bytes((tmp_path / "x.h5").read_bytes()[:100])
    with pytest.raises(UserError, match=r"cut\.h5"), open_h5(tmp_path / "cut.h5", "bold"):
        pass
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(UserError, match=r"x\.json: not valid JSON"):
        read_json(tmp_path / "x.json", "bold")


def test_tables_keep_null_words_and_leading_zeros(tmp_path):
    table = pd.DataFrame({"run": ["01", "02"], "item": ["NULL", "NA"], "n": [1.5, np.nan]})
    write_table(tmp_path / "t.tsv", table, GIVEN, {"run": "the run"}, extra=[1])
    read, provenance = read_table(tmp_path / "t.tsv", "bold")
    assert provenance.simulated
    assert list(read["run"]) == ["01", "02"]
    assert list(read["item"]) == ["NULL", "NA"]
    assert read["n"].isna().tolist() == [False, True]
    assert read_json(tmp_path / "t.json", "bold")[0]["columns"]["run"]["Description"] == "the run"


def test_a_file_that_was_computed_must_tell_how(tmp_path):
    path = tmp_path / "x.h5"
    with pytest.raises(ValueError, match="methods"), create_h5(path, Provenance("bold", False)):
        pass
    assert not list(tmp_path.iterdir())
    with create_h5(path, Provenance("bold", False, methods=("It was read.",))):
        pass
    with open_h5(path, "bold") as (_, provenance):
        assert provenance.methods == ("It was read.",)


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_file_that_its_disk_has_no_room_for_is_an_error_and_leaves_nothing(tmp_path, compression):
    """In a process of its own: HDF5 used to end it by a signal when it closed such a file."""
    script = (
        "import resource, signal, sys, numpy as np\n"
        "from tristream.store import Provenance, create_h5\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "compression = sys.argv[2] or None\n"
        "try:\n"
        "    with create_h5(sys.argv[1], Provenance('kind', False)) as file:\n"
        "        for k in range(4):\n"
        "            values = np.random.default_rng(k).random(100_000)\n"
        "            file.create_dataset(str(k), data=values, chunks=(50_000,),"
        " compression=compression)\n"
        "except OSError as error:\n"
        "    print(error.filename, error.strerror)\n"
    )
    call = [sys.executable, "-c", script, str(tmp_path / "a.h5"), compression or ""]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{tmp_path / 'a.h5'} File too large"
    assert not done.stderr
    assert not [*tmp_path.iterdir()]


def test_what_had_no_room_is_read_back_as_it_was_written(tmp_path):
    """HDF5 reads its own structures again, and crashes on other bytes than it wrote."""
    script = (
        "import io, random, resource, signal, sys\n"
        "from tristream.store import Forgiving\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "room, rng, held = int(sys.argv[2]), random.Random(sys.argv[2]), io.BytesIO()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))\n"
        "with Forgiving(sys.argv[1]) as file:\n"
        "    for _ in range(300):\n"
        "        at, data = rng.randrange(30_000), rng.randbytes(rng.randrange(9000))\n"
        "        for each in (file, held):\n"
        "            each.seek(at)\n"
        "            assert each.write(data) == len(data) and each.tell() == at + len(data)\n"
        "        at, size = rng.randrange(len(held.getvalue())), rng.randrange(9000)\n"
        "        expected = held.getvalue()[at : at + size]\n"
        "        read = bytearray(len(expected))\n"
        "        file.seek(at)\n"
        "        assert file.readinto(read) == len(expected) and read == expected\n"
        "    print(file.failure.strerror)\n"
    )
    for room in (0, 1, 4096, 13_337):
        call = [sys.executable, "-c", script, str(tmp_path / "a.h5"), str(room)]
        done = subprocess.run(call, capture_output=True, text=True)
        assert (done.stdout.strip(), done.stderr) == ("File too large", ""), room


def test_what_follows_from_a_lack_of_room_is_told_as_such(tmp_path):
    """HDF5 reads back some of what it wrote, as of strings, and has words of its own for that."""
    script = (
        "import resource, signal, sys\n"
        "from tristream.store import Provenance, create_h5\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
        "try:\n"
        "    with create_h5(sys.argv[1], Provenance('kind', False)) as file:\n"
        "        file['values'] = list(range(3000))\n"
        "        file.flush()\n"
        "        raise OSError('address of object past end of allocation')\n"
        "except OSError as error:\n"
        "    print(error.filename, error.strerror)\n"
    )
    call = [sys.executable, "-c", script, str(tmp_path / "a.h5")]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{tmp_path / 'a.h5'} File too large"
    assert not [*tmp_path.iterdir()]


def test_what_a_killed_process_left_goes_with_the_next_try(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = tmp_path / f".a.{gone.pid}.part.h5"
    others = [tmp_path / f".a.{os.getppid()}.part.h5", tmp_path / f".b.{gone.pid}.part.h5"]
    for path in (left, *others):
        path.touch()
    with create_h5(tmp_path / "a.h5", GIVEN):
        pass
    assert not left.exists()
    assert all(path.exists() for path in others)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\n".join(text.splitlines()[:-1]) + "\n",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("2", "3"),
        lambda text: "",
    ],
    ids=["a row less", "half", "another number", "empty"],
)
def test_a_table_that_is_not_what_was_written_is_refused(tmp_path, change):
    path = tmp_path / "a.tsv"
    write_table(path, pd.DataFrame({"x": [1, 2, 4], "y": ["a", "b", "c"]}), GIVEN)
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError, match=r"a\.tsv: is not what was written .* says 3"):
        read_table(path, GIVEN.kind)


def strange(path: Path, kind: str) -> None:
    """A file of ours with something that reaches out of it, or that swells."""
    with create_h5(path, GIVEN) as file:
        file["values"] = np.arange(3.0)
    secret = path.with_name("secret")
    secret.write_bytes(bytes(range(64)))
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["x"] = np.arange(3.0)
    with h5py.File(path, "a") as file:
        if kind == "external link":
            file["group/out"] = h5py.ExternalLink("other.h5", "/x")
        elif kind == "soft link":
            file["out"] = h5py.SoftLink("/values")
        elif kind == "external storage":
            file.create_dataset("out", (64,), "u1", external=[(str(secret), 0, 64)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((3,), "f8")
            layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
            file.create_virtual_dataset("group/out", layout)
        elif kind == "declared":
            file.create_dataset("group/out", (10**9,), "f4", chunks=(10**6,))
        elif kind == "deep groups":
            file.create_group("/".join("a" * 3000))
        elif kind == "a cycle":
            file["group/back"] = file["/"]
        elif kind == "a second name":
            file["out"] = file["values"]
        elif kind == "packed texts":
            packed_texts(file)
        elif kind == "sequences":
            file.create_dataset("out", (3,), h5py.vlen_dtype(np.dtype("f8")))
        elif kind == "texts that nobody wrote":
            file.create_dataset("out", (3,), h5py.string_dtype(), fillvalue="x" * 1000)
        elif kind == "texts of an attribute":
            file.attrs["out"] = ["x", "y"]
        else:
            file.create_dataset("out", (10**4, 10**4), "f8", chunks=(100, 100), compression=4)


def packed_texts(file: h5py.File) -> None:
    """Ten thousand references to one text, in a few bytes."""
    text = h5py.string_dtype()
    one = file.create_dataset("one", (1,), text, chunks=(1,))
    one[0] = "x" * 60_000
    many = file.create_dataset("out", (10_000,), text, chunks=(10_000,), compression="gzip")
    file.flush()
    reference = one.id.read_direct_chunk((0,))[1]
    many.id.write_direct_chunk((0,), zlib.compress(reference * 10_000))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("deep groups", "a/a/a/a/a/a/a/a/a lies in more than 8 groups"),
        ("a cycle", "group/back is there under another name"),
        ("a second name", "is there under another name"),
        ("packed texts", "one is neither numbers nor texts in one piece"),
        ("sequences", "out is neither numbers nor texts in one piece"),
        ("texts that nobody wrote", "out is neither numbers nor texts in one piece"),
        ("texts of an attribute", "an attribute of the file is not one number or text"),
        ("external link", "group/out is a link"),
        ("soft link", "out is a link"),
        ("external storage", "out keeps its values in other files"),
        ("virtual", "group/out keeps its values in other files"),
        ("declared", "group/out declares 1000000000 values"),
        ("compressed and declared", "out declares 100000000 values"),
    ],
)
def test_a_file_that_reaches_out_of_itself_is_refused(tmp_path, kind, words):
    strange(tmp_path / "a.h5", kind)
    with pytest.raises(UserError, match=words), open_h5(tmp_path / "a.h5", GIVEN.kind):
        pass


def test_one_text_that_stands_for_many_is_refused(tmp_path):
    """As `write_strings` lays texts out, but each refers to the first."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        write_strings(file, "names", ["x" * 10_000, *[""] * 999])
        place = file["names"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[place : place + 16_000] = content[place : place + 16] * 1000
    path.write_bytes(content)
    with h5py.File(path) as file:
        assert len(file["names"][999]) == 10_000
    with (
        pytest.raises(UserError, match="names declares texts of 10000000 bytes, more than the"),
        open_h5(path, GIVEN.kind),
    ):
        pass


def test_chunks_that_share_their_bytes_are_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("x", (30, 2000), "f8", chunks=(1, 2000), compression="gzip")
        data[0] = np.random.default_rng(0).random(2000)
        data[1:] = np.arange(1, 30)[:, None]
        chunks = [data.id.get_chunk_info(index) for index in range(30)]
    content = path.read_bytes()
    first = struct.pack("<II", chunks[0].size, 0)
    for row, chunk in enumerate(chunks[1:], 1):
        key = struct.pack("<QQQ", row, 0, 0)
        old = struct.pack("<II", chunk.size, 0) + key + struct.pack("<Q", chunk.byte_offset)
        assert content.count(old) == 1
        content = content.replace(old, first + key + struct.pack("<Q", chunks[0].byte_offset))
    path.write_bytes(content)
    with h5py.File(path) as file:
        assert (file["x"][0] == file["x"][29]).all()
    with (
        pytest.raises(UserError, match="x shares its bytes with other values"),
        open_h5(path, GIVEN.kind),
    ):
        pass


def test_many_groups_are_looked_through_in_linear_time(tmp_path):
    """A hundred chains of groups as deep as is allowed, and many in one."""
    with create_h5(tmp_path / "a.h5", GIVEN) as file:
        for name in range(1000):
            file.create_group(f"{name}/" + "/".join("abcdef"))
    start = time.process_time()
    with open_h5(tmp_path / "a.h5", GIVEN.kind) as (file, _):
        assert len(file) == 1000
    assert time.process_time() - start < 10


# Attributes of HDF5 that are not what tristream writes.
ODD = {
    "kind": np.array([1, 2]),
    "simulated": np.array([True, False]),
    "schema_version": 1.5,
    "code": h5py.Empty("f"),
    "config": ["{", "[1,2]", np.bytes_(b"\xff\xff"), "[" * 200_000, h5py.Empty("f"), 3.0],
    "omitted": ["[{}]", "[1]", "3", '[{"what": "x"}]', '{"what": 1}'],
    "methods": ["3", '"text"', "null", '{"a": 1}'],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name, odd in ODD.items()
        for value in (odd if isinstance(odd, list) else [odd])
    ],
    ids=lambda value: str(value)[:20],
)
def test_provenance_that_nobody_here_wrote_is_one_line(tmp_path, name, value):
    path = tmp_path / "a.h5"
    with create_h5(path, GIVEN):
        pass
    with h5py.File(path, "a") as file:
        file.attrs[name] = value
    with (
        pytest.raises(UserError, match=rf"a\.h5: its {name} is not what tristream wrote; make"),
        open_h5(path, GIVEN.kind),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("simulated", "no"),
        ("config", [1]),
        ("omitted", [{"a": 1}]),
        ("omitted", {"what": "x"}),
        ("methods", "text"),
        ("text_columns", [[1]]),
        ("text_columns", 3),
    ],
)
def test_a_sidecar_that_nobody_here_wrote_is_one_line(tmp_path, name, value):
    write_table(tmp_path / "a.tsv", pd.DataFrame({"x": [1, 2]}), GIVEN)
    stored = read_json(tmp_path / "a.json", GIVEN.kind)[0]
    write_summed(tmp_path / "a.json", {**stored, name: value})
    with pytest.raises(UserError, match=rf"a\.json: its {name} is not what tristream wrote"):
        read_table(tmp_path / "a.tsv", GIVEN.kind)


def test_deflated_zeros_are_read(tmp_path):
    with create_h5(tmp_path / "a.h5", GIVEN) as file:
        file.create_dataset("x", data=np.zeros((3000, 3000)), compression="gzip")
    with open_h5(tmp_path / "a.h5", GIVEN.kind) as (file, _):
        assert not file["x"][()].any()
