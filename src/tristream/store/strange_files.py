"""What sound HDF5 files never hold, and a stranger's may use to harm.

Links and storage outside the file read what the user may read and its author may not. Values that
are declared and not stored, or stored once and referred to many times, fill the memory; groups
within groups take the time.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tristream.errors import UserError

if TYPE_CHECKING:
    import h5py

# Bytes that one stored byte can stand for in a deflated array, and what needs no storing.
DEFLATED, EMPTY = 1100, 1 << 20
# Groups in each other; tristream and ITK have four at most.
DEEPEST = 8


def refuse_strange(file: "h5py.File", path: Path) -> None:
    """Refuse a file that reaches out of itself, or swells when it is read.

    Raises
    ------
    UserError
        Naming what is wrong.
    """
    try:
        _Look(file, path).group(file["/"], "", 0)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: can't be read as HDF5 ({reason}); delete it and run again"
        ) from None


class _Look:
    """A walk over a file, with sums of what its parts say that they hold.

    Each byte of a file is part of one array or text, so that no sum is above the file's size.
    """

    def __init__(self, file: "h5py.File", path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._stored = self._text = 0
        self._seen: set[int] = set()
        # On disk a text is its length (4 bytes), an address and a number (4 bytes).
        self._reference: int = 8 + file.id.get_create_plist().get_sizes()[0]

    def group(self, group: "h5py.Group", name: str, depth: int) -> None:
        """Look through a group and all that it holds."""
        import h5py

        if depth > DEEPEST:
            self._refuse(f"{name} lies in more than {DEEPEST} groups")
        self._object(group, name)
        for key in group:
            inner = f"{name}/{key}".removeprefix("/")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                self._refuse(f"{inner} is a link to somewhere else")
            one = group[key]
            if isinstance(one, h5py.Group):
                self.group(one, inner, depth + 1)
            else:
                self._object(one, inner)
            if isinstance(one, h5py.Dataset):
                self._array(one, inner)

    def _object(self, one: Any, name: str) -> None:
        """Look at how often an object is there, and at its attributes."""
        import h5py

        address = h5py.h5o.get_info(one.id).addr
        if address in self._seen:
            self._refuse(f"{name} is there under another name, too")
        self._seen.add(address)
        for index in range(h5py.h5a.get_num_attrs(one.id)):
            attribute = h5py.h5a.open(one.id, index=index)
            count = math.prod(attribute.shape or ())
            if attribute.dtype.hasobject and (count > 1 or not _is_text(attribute.dtype)):
                self._refuse(f"an attribute of {name or 'the file'} is not one number or text")
            if count * attribute.dtype.itemsize > self._size:
                self._refuse(f"an attribute of {name or 'the file'} is larger than the file")

    def _array(self, one: "h5py.Dataset", name: str) -> None:
        if one.external or one.is_virtual:
            self._refuse(f"{name} keeps its values in other files")
        count, stored = math.prod(one.shape or ()), one.id.get_storage_size()
        if count * one.dtype.itemsize > DEFLATED * min(stored, self._size) + EMPTY:
            self._refuse(f"{name} declares {count} values and holds next to none")
        self._stored += stored
        if self._stored > self._size:
            self._refuse(f"{name} shares its bytes with other values")
        if one.dtype.hasobject and count:
            self._texts(one, name, count)

    def _texts(self, one: "h5py.Dataset", name: str, count: int) -> None:
        """Add up the lengths of texts, without reading one."""
        import numpy as np

        offset = one.id.get_offset()
        whole = one.id.get_storage_size() == count * self._reference
        if offset is None or not whole or not _is_text(one.dtype):
            self._refuse(f"{name} is neither numbers nor texts in one piece")
        entry = np.dtype({"names": ["length"], "formats": ["<u4"], "itemsize": self._reference})
        lengths = np.fromfile(self._path, entry, count, offset=offset)["length"]
        self._text += int(lengths.sum(dtype=np.int64))
        if self._text > self._size:
            self._refuse(f"{name} declares texts of {self._text} bytes, more than the file has")

    def _refuse(self, what: str) -> NoReturn:
        raise UserError(
            f"{self._path}: {what}, which no file of tristream or ITK does: it is damaged, or a "
            "stranger's; delete it and run again"
        )


def _is_text(dtype: Any) -> bool:
    import h5py

    return h5py.check_string_dtype(dtype) is not None
