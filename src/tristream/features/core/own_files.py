"""Features of a user's own films, sounds and images, without a study."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tristream.config.feature_spaces import FeatureSpace
from tristream.config.settings.features import FeatureSettings, StimulusFile
from tristream.errors import UserError
from tristream.features.core.checked_space import check
from tristream.features.core.extraction import extract_media
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.fetch.steps import fetch_weights
from tristream.fingerprint import fingerprint
from tristream.hashing import hash_file
from tristream.media.file_kinds import MEDIA_SUFFIXES


def extract_files(
    files: Sequence[Path],
    extractor: str,
    output: Path,
    layers: Sequence[str] = (),
    options: dict[str, Any] | None = None,
    data: Path = Path("data"),
    threads: int = 1,
) -> list[Path]:
    """Write features of some files.

    Parameters
    ----------
    files : sequence of Path
        Films, sounds or images, by their suffixes; each is a stimulus of its file's name.
    extractor : str
        One of ``tristream features list``.
    output : Path
        ``NAME.h5`` for one layer; else a folder, in which each layer is ``LAYER.h5``.
    layers : sequence of str
        Default: the extractor's.
    options : dict, optional
        Of the extractor.
    data : Path
        Where weights are downloaded to.
    threads : int
        Of torch and OpenCV.

    Returns
    -------
    list of Path
        The files that were written.

    Raises
    ------
    UserError
        If a file, the extractor, a layer or an option is not usable.
    """
    block = FeatureSpace(
        stream="nuisance", extractor=extractor, layers=list(layers), options=options or {}
    )
    space = check(extractor, block, "the command line", data)
    single = output.suffix == ".h5"
    if single and len(space.layers) != 1:
        raise UserError(
            f"{output}: {extractor} would write {', '.join(space.layers)}; choose one by --layers, "
            "or name a folder"
        )
    if output.exists():
        raise UserError(f"{output}: is there already; move it away, or choose another name")
    folder = output.with_name(f".{output.name}.parts") if single else output
    folder.mkdir(parents=True, exist_ok=True)
    root, stimuli = _stimuli(files)
    settings = FeatureSettings(
        dataset="files",
        space=extractor,
        extractor=extractor,
        module=None,
        options=options or {},
        device="auto",
        stimuli=stimuli,
    )
    receipt = folder / "receipt.json"
    _receipt(root, stimuli).write(receipt)
    weights = folder / "weights.json" if space.is_fetched else None
    if weights is not None:
        fetch_weights(extractor, space.weights, data).write(weights)
    made = [folder / f"{layer}.h5" for layer in space.layers]
    code = fingerprint("tristream.features.core.extraction", space.extractor.module)
    extract_media(settings, made, receipt, weights, code, threads)
    if not single:
        return made
    os.replace(made[0], output)
    shutil.rmtree(folder)
    return [output]


def parsed_options(pairs: Sequence[str]) -> dict[str, Any]:
    """Options from ``key=value`` texts, whose values are YAML.

    Raises
    ------
    UserError
        If one of them is not such a pair.
    """
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise UserError(f"--options: {pair!r} is not key=value, as fps=2")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            found[key] = value
    return found


def _stimuli(files: Sequence[Path]) -> tuple[Path, list[StimulusFile]]:
    """The folder that holds all files, and each with its kind and a name of its own."""
    places = [path.expanduser().absolute() for path in files]
    if lacking := [path for path in places if not path.is_file()]:
        raise UserError(f"{lacking[0]}: no such file")
    root = Path(os.path.commonpath([path.parent for path in places]))
    rows, taken = [], set()
    for path in dict.fromkeys(places):
        kind = MEDIA_SUFFIXES.get(path.suffix.lower())
        if kind is None:
            known = ", ".join(MEDIA_SUFFIXES)
            raise UserError(f"{path}: is not a film, sound or image by its suffix ({known})")
        stem = re.sub(r"\W+", "_", path.stem, flags=re.ASCII).strip("_")
        stem = stem if re.match(r"[A-Za-z]", stem) else f"s_{stem}"
        name, number = stem, 2
        while name in taken:
            name, number = f"{stem}_{number}", number + 1
        taken.add(name)
        relative = path.relative_to(root).as_posix()
        rows.append(StimulusFile(stimulus=name, kind=kind, path=relative))
    return root, rows


def _receipt(root: Path, stimuli: Sequence[StimulusFile]) -> Receipt:
    listed = tuple(
        FetchedFile(
            row.path, (root / row.path).stat().st_size, f"sha256:{hash_file(root / row.path)}"
        )
        for row in stimuli
    )
    source = {"kind": "folder", "path": str(root)}
    return Receipt("files", None, source, "", root, root.name, "", listed, simulated=False)
