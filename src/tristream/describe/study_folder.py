"""A study folder anywhere: the workflow as a module, a configuration, a descriptor."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml

from tristream import __version__
from tristream.config.dataset import Dataset
from tristream.config.load import DESCRIPTORS, descriptor
from tristream.config.load.questions import open_questions
from tristream.config.sources import FolderSource
from tristream.describe.first_config import first_config
from tristream.errors import UserError
from tristream.workflow_home import WORKFLOW

SNAKEFILE = """\
# This study's workflow is the one that is installed with tristream {version}.
# `tristream run` and `snakemake --cores 4` run the study in config.yaml.

from tristream.workflow_home import WORKFLOW

# A study given with --configfile replaces the one in config.yaml; it is not merged into it.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


module tristream:
    snakefile:
        str(WORKFLOW / "Snakefile")
    config:
        config


use rule * from tristream


rule default:
    default_target: True
    input:
        rules.all.input,
"""
IGNORED = "results/\ndata/\n.snakemake/\n"
FIRST = "haxby2001_slice"


def make_study(folder: Path, dataset: str | None = None) -> list[str]:
    """Write a study folder.

    Parameters
    ----------
    folder : Path
        Made if it is not there; nothing in it is overwritten.
    dataset : str, optional
        A descriptor's file, or the id of one that ships with the workflow; by default that of a
        small real dataset on the package index.

    Returns
    -------
    list of str
        Questions that the descriptor and the configuration leave open, with file and line.

    Raises
    ------
    UserError
        If a file to write is there already, or the descriptor can't be read.
    """
    place = _descriptor_file(dataset or FIRST)
    found = descriptor(place.stem, [place.parent], place, questions=False)
    home = folder / DESCRIPTORS
    copies = {home / one.name: one for one in [place, *_tables(place)]}
    copies = {to: one for to, one in copies.items() if to.resolve() != one.resolve()}
    _write(folder, first_config(found, _labelled(found), _silent(found)), copies)
    return [*open_questions(home / place.name), *open_questions(folder / "config.yaml")]


def make_demo(folder: Path) -> None:
    """Write a folder of the demo study, whose descriptors are those that ship.

    Parameters
    ----------
    folder : Path
        Made if it is not there; nothing in it is overwritten.

    Raises
    ------
    UserError
        If a file to write is there already.
    """
    _write(folder, (WORKFLOW / "demo.yaml").read_text(encoding="utf-8"), {})


def _write(folder: Path, config: str, copies: Mapping[Path, Path]) -> None:
    """The files of a study, and copies of others by where they go."""
    texts = {
        folder / "config.yaml": config,
        folder / "Snakefile": SNAKEFILE.format(version=__version__),
        folder / ".gitignore": IGNORED,
    }
    if there := sorted(path for path in [*texts, *copies] if path.exists()):
        raise UserError(
            f"{there[0]}: is there already, and nothing is overwritten; name another folder, or "
            "move the file away"
        )
    for path in [*texts, *copies]:
        path.parent.mkdir(parents=True, exist_ok=True)
    for path, one in copies.items():
        shutil.copyfile(one, path)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


def _descriptor_file(dataset: str) -> Path:
    """The file of a descriptor that is named by its path or by its id."""
    path = Path(dataset).expanduser()
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise UserError(f"{path}: no such file; `tristream describe` writes descriptors")
        return path
    for folder in (DESCRIPTORS, WORKFLOW / "datasets"):
        if (folder / f"{dataset}.yaml").is_file():
            return folder / f"{dataset}.yaml"
    known = sorted(path.stem for path in (WORKFLOW / "datasets").glob("*.yaml"))
    raise UserError(
        f"{dataset}: no descriptor of this id ships with the workflow (there are "
        f"{', '.join(known)}); `tristream describe` writes one of any BIDS dataset"
    )


def _tables(place: Path) -> list[Path]:
    """Tables beside a descriptor that it names."""
    content = yaml.safe_load(place.read_text(encoding="utf-8"))
    named = [content.get("runs"), content.get("published")]
    named.append((content.get("stimuli") or {}).get("table"))
    return [place.parent / one for one in named if isinstance(one, str)]


def _labelled(dataset: Dataset) -> bool:
    """Whether a decoder has labels to name; films and stories as a whole have none."""
    if dataset.exchange.unit == "time" and dataset.layout.kind != "scan":
        return False
    table = dataset.stimuli.table
    return not table or bool(dataset.events.label) or any(row.label for row in table)


def _silent(dataset: Dataset) -> bool:
    """Whether all films are at hand, and none has a sound track."""
    films = [row.path for row in dataset.stimuli.table if row.kind == "film"]
    root = _stimulus_folder(dataset)
    if root is None or not films:
        return False
    from tristream.media.media_contents import media_info

    return all(
        path.is_file() and not media_info(path).has_audio for path in (root / one for one in films)
    )


def _stimulus_folder(dataset: Dataset) -> Path | None:
    """Where stimuli lie, if on this machine; files of a DataLad dataset may be absent there."""
    source = dataset.stimuli.source
    if source is not None and source.kind == "dataset":
        own = dataset.source
        address = own.path if isinstance(own, FolderSource) else getattr(own, "url", "")
    else:
        address = source.path if isinstance(source, FolderSource) else ""
    folder = Path(address.removeprefix("file://")).expanduser()
    return folder if address and folder.is_dir() else None
