"""The settings of a job: a part of the study, written to a file that the job reads."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import ValidationError

from tristream.config.base import Section
from tristream.errors import UserError
from tristream.hashing import hash_text
from tristream.store import atomic_path

if TYPE_CHECKING:
    from tristream.config.load import Resolved


# Of the hash in the name of a file of settings.
DIGITS = 16


class Settings(Section):
    """What one kind of job reads of the study.

    A subclass lists its keys as typed fields and picks them in ``of(resolved, …)``, whose keyword
    arguments are the targets that the job's command line names (dataset, model, …). Fields named in
    `wording` go into messages alone: the job reads them, and they are not part of the key.
    """

    wording: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def of(cls, resolved: "Resolved", **targets: str) -> Self:
        """Pick the settings from a checked study."""
        raise NotImplementedError

    def key(self) -> dict[str, Any]:
        """As plain JSON types: what the file's provenance says."""
        return self.model_dump(mode="json", exclude=set(self.wording))

    def write(self, folder: Path | str) -> str:
        """Write the settings below `folder` under a name made of their key; return the path.

        Equal keys give an equal path, so that the path itself can stand in ``params``.
        """
        name = type(self).__name__.removesuffix("Settings").lower()
        key = _dumped(self.key())
        path = Path(folder) / f"{name}-{hash_text(key)[:DIGITS]}.json"
        text = (_dumped(self.model_dump(mode="json")) if self.wording else key) + "\n"
        if not _holds(path, text):
            with atomic_path(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return path.as_posix()

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read what :meth:`write` wrote.

        Raises
        ------
        UserError
            If the file is missing or holds other settings.
        """
        path = Path(path)
        try:
            found = cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; run snakemake again, it writes it") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UserError(
                f"{path}: not the settings of this job ({where}: {first['msg']}); run snakemake "
                "again"
            ) from None
        _, dash, name = path.stem.rpartition("-")
        if dash and len(name) == DIGITS and name != hash_text(_dumped(found.key()))[:DIGITS]:
            raise UserError(f"{path}: damaged, or changed by hand; run snakemake again")
        return found


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode("utf-8")
    except FileNotFoundError:
        return False


def _dumped(content: dict[str, Any]) -> str:
    # In the given order, which matters: of bands, and of streams that are simulated. On one line:
    # hundreds are written at each parse, and indenting takes ten times as long.
    return json.dumps(content)


def named(blocks: Any, name: str, section: str) -> Any:
    """The block of this name in a section of the study.

    Raises
    ------
    UserError
        If there is none.
    """
    if name not in blocks:
        known = ", ".join(blocks) or "none"
        raise UserError(f"{section}: there is no {name!r} in the study; it has {known}")
    return blocks[name]
