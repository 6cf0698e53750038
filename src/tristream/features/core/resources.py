"""What a feature job reads: stimuli and weights, found, checked and hashed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tristream.config.settings.features import FeatureSettings, StimulusFile
from tristream.config.sources import FolderSource, HubSource
from tristream.errors import UserError
from tristream.features.core.checked_space import CheckedSpace
from tristream.features.core.registry import Extractor
from tristream.fetch.receipt import Receipt
from tristream.fetch.weights import network_files
from tristream.hashing import hash_file, hash_text
from tristream.media.media_contents import media_info
from tristream.store import Omission

IMAGES = "images"


@dataclass(frozen=True)
class Medium:
    """A film or sound that features are computed from, or all images together.

    Attributes
    ----------
    stimulus : str
        Its name; :data:`IMAGES` for images.
    path : Path or tuple of Path
        The file; the images.
    sha256 : str
        Of the content.
    items : tuple of str
        Names of the images; empty for a film or sound.
    """

    stimulus: str
    path: Path | tuple[Path, ...]
    sha256: str
    items: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For messages."""
        return str(self.path) if isinstance(self.path, Path) else self.stimulus


@dataclass(frozen=True)
class Weights:
    """Pretrained weights of a space.

    Attributes
    ----------
    folder : Path or None
        Folder that the extractor gets.
    digest : str
        Hash of what decides the values.
    files : tuple of dict
        For the feature file: ``file``, ``sha256`` and ``licence`` of each.
    """

    folder: Path | None
    digest: str
    files: tuple[dict[str, Any], ...] = ()


def find_weights(space: CheckedSpace, receipt: Path | None) -> Weights:
    """The weights of a space, by the receipt of what was fetched or in the user's folder.

    Raises
    ------
    UserError
        If they are missing, or the receipt is one of other weights.
    """
    weights = _of_source(space, receipt)
    own = [_hashes(Path(path)) for path in space.extractor.reads(space.options)]
    if not own:
        return weights
    files = (
        *weights.files,
        *({"file": name, "sha256": h, "licence": ""} for one in own for name, h in one.items()),
    )
    return Weights(weights.folder, json.dumps([weights.digest, own]), files)


def _of_source(space: CheckedSpace, receipt: Path | None) -> Weights:
    source = space.weights
    if source is None:
        return Weights(None, "")
    if isinstance(source, FolderSource):
        folder = Path(source.path)
        digests = {name: hash_file(folder / name) for name in network_files(folder)}
        return _of_network(folder, digests, folder.name, "")
    if receipt is None:
        raise UserError(f"features extract: {space.extractor.name} needs --weights")
    fetched = Receipt.read(receipt)
    if isinstance(source, HubSource):
        _check_same(receipt, fetched, source.model_dump(mode="json"), source.model, space)
        digests = {
            file.path: file.checksum.removeprefix("sha256:")
            for file in fetched.files
            if fetched.path(file.path)
        }
        title = f"{source.model}@{source.revision}"
        return _of_network(fetched.root, digests, title, fetched.licence)
    wanted = {"sha256": source.sha256}
    _check_same(receipt, fetched, wanted, f"{source.package} {source.version}", space)
    for member in source.members:
        fetched.path(member)
    file = {"file": source.members, "sha256": source.sha256, "licence": source.licence}
    return Weights(fetched.root, source.sha256, (file,))


def _check_same(
    path: Path, fetched: Receipt, wanted: dict[str, Any], title: str, space: CheckedSpace
) -> None:
    if {key: fetched.source.get(key) for key in wanted} != wanted:
        raise UserError(
            f"{path}: is not the archive of {space.extractor.name} ({title}); delete it and run "
            "again"
        )


def _of_network(folder: Path, digests: dict[str, str], title: str, licence: str) -> Weights:
    files = tuple(
        {"file": f"{title}/{name}", "sha256": digest, "licence": licence}
        for name, digest in digests.items()
    )
    return Weights(folder, json.dumps(digests, sort_keys=True), files)


def find_media(
    extractor: Extractor, dataset: str, table: Sequence[StimulusFile], receipt: Receipt
) -> tuple[list[Medium], list[Omission]]:
    """Stimuli that the extractor can read, in the order of the stimulus table.

    A feature file holds films and sounds, or images: beside films, images are left out.

    Parameters
    ----------
    extractor : Extractor
        What reads them.
    dataset : str
        Its id, for messages.
    table : sequence of StimulusFile
        The dataset's stimuli.
    receipt : Receipt
        Where they lie.

    Raises
    ------
    UserError
        If there are none.
    """
    checksums = {file.path: file.checksum for file in receipt.files}
    images = extractor.images and not any(row.kind == "film" for row in table)
    media, omitted, pictures = [], [], []
    for row in table:
        if row.path not in checksums:
            # Only where `missing_stimuli: drop` lets it: else fetching would have stopped.
            omitted.append(Omission(row.stimulus, "the stimulus is not there"))
            continue
        path = receipt.path(row.path)
        if row.kind == "image" and images:
            pictures.append(Medium(row.stimulus, path, _sha256(path, checksums[row.path])))
        elif row.kind == "image" or (extractor.media, row.kind) == ("film", "sound"):
            beside = " beside films" if row.kind == "image" and extractor.images else ""
            why = f"{extractor.name} does not read {row.kind}s{beside}"
            omitted.append(Omission(row.stimulus, why))
        elif extractor.media == "sound" and not media_info(path).has_audio:
            omitted.append(Omission(row.stimulus, "it has no sound"))
        else:
            media.append(Medium(row.stimulus, path, _sha256(path, checksums[row.path])))
    if pictures:
        media.append(_together(pictures))
    if not media:
        raise UserError(
            f"{dataset}.yaml: stimuli.table: {extractor.name} reads {extractor.media}s, and "
            "none of the stimuli has one; take the space out of this dataset's models"
        )
    return media, omitted


def _together(pictures: Sequence[Medium]) -> Medium:
    paths = tuple(one.path for one in pictures if isinstance(one.path, Path))
    digest = hash_text(" ".join(one.sha256 for one in pictures))
    return Medium(IMAGES, paths, digest, tuple(one.stimulus for one in pictures))


def _sha256(path: Path, checksum: str) -> str:
    if checksum.startswith("sha256:"):
        return checksum.removeprefix("sha256:")
    return hash_file(path)


def content_hash(
    settings: FeatureSettings, code: str, media: Sequence[Medium], weights: Weights
) -> str:
    """Hash of everything that decides the values, layers aside.

    `code` is the key of all code that the job reaches.
    """
    content = {
        "media": [(one.stimulus, one.sha256, *one.items) for one in media],
        "settings": settings.key(),
        "code": code,
        "weights": weights.digest,
    }
    return hash_text(json.dumps(content, sort_keys=True))[:16]


def _hashes(path: Path) -> dict[str, str]:
    """Name and hash of a file, or of each file of a folder."""
    if path.is_file():
        return {path.name: hash_file(path)}
    if not path.is_dir():
        raise UserError(f"{path}: no such file or folder; fix the space's options")
    return {one.name: hash_file(one) for one in sorted(path.iterdir()) if one.is_file()}
