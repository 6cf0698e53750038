"""What a file is and how it came about, in the metadata of every file of ours."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tristream import __version__
from tristream.errors import UserError, masked
from tristream.results import KINDS

SCHEMA_VERSION = 1
# Parts of a provenance, and what they are as JSON.
PARTS = {"simulated": bool, "config": dict, "omitted": list, "methods": list}


@dataclass(frozen=True)
class Omission:
    """Something that a reader may look for and will not find, and the reason."""

    what: str
    why: str


@dataclass(frozen=True)
class Provenance:
    """What a file is and how it came about.

    Attributes
    ----------
    kind : str
        The file's contract, e.g. ``features`` or ``bold`` (see ``docs/files.md``).
    simulated : bool
        Whether the measured data in it, or any that went into it, are simulated.
    config : dict
        The config keys that the stage read, as plain JSON types.
    code : str
        Fingerprint of the code that wrote it.
    omitted : list of Omission
        What is not in the file, and why.
    methods : list of str
        Sentences for a methods section: what was done to make this file, as it was done.
        Papers and software are cited as ``[@key; @key]``, keys of ``references.bib``.
    """

    kind: str
    simulated: bool
    config: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    omitted: tuple[Omission, ...] = ()
    methods: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types, with the versions of layout and package.

        Raises
        ------
        ValueError
            If the kind of file must tell what was done, and does not: see `tristream.results`.
        """
        kind = KINDS.get(self.kind)
        if kind is not None and kind.computed and not self.methods:
            raise ValueError(f"a file of kind {self.kind!r} needs sentences for the methods text")
        about = {"schema_version": SCHEMA_VERSION, "tristream_version": __version__, **asdict(self)}
        return {key: without_secrets(value) for key, value in about.items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], path: Path, kind: str) -> "Provenance":
        """Check the provenance in `path`; refuse the file when a part is missing or wrong."""
        missing = [k for k in ("kind", "schema_version", "simulated") if k not in stored]
        if missing:
            raise UserError(
                f"{path}: does not say {', '.join(missing)}; it was not written by tristream, "
                "or is damaged: delete it and run again"
            )
        if stored["kind"] != kind:
            raise UserError(f"{path}: holds {stored['kind']!r}, not {kind!r}")
        if stored["schema_version"] != SCHEMA_VERSION:
            raise UserError(
                f"{path}: layout version {stored['schema_version']}, this tristream reads "
                f"{SCHEMA_VERSION}: delete it and run again"
            )
        for part, due in PARTS.items():
            if not isinstance(stored.get(part, due()), due):
                raise not_ours(path, part)
        try:
            omitted = [Omission(str(o["what"]), str(o["why"])) for o in stored.get("omitted", [])]
        except (TypeError, KeyError):
            raise not_ours(path, "omitted") from None
        return cls(
            kind=kind,
            simulated=stored["simulated"],
            config=stored.get("config", {}),
            code=str(stored.get("code", "")),
            omitted=tuple(omitted),
            methods=tuple(str(sentence) for sentence in stored.get("methods", [])),
        )


def not_ours(path: Path, part: str) -> UserError:
    """The error of a file whose metadata have a part that is of another kind than it should be."""
    return UserError(f"{path}: its {part} is not what tristream wrote; make it again")


def without_secrets(value: Any) -> Any:
    """The same without secrets of addresses: results go to other people."""
    if isinstance(value, str):
        return masked(value) if "://" in value else value
    if isinstance(value, Mapping):
        return {key: without_secrets(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(one) for one in value]
    return value
