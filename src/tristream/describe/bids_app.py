"""A study in the output folder of a BIDS App: set up once, described when it has run."""

import json
from collections.abc import Sequence
from pathlib import Path

from tristream import __version__
from tristream.config.dataset import Dataset
from tristream.config.load import DESCRIPTORS, Resolved, load
from tristream.describe.descriptor_file import describe
from tristream.describe.study_folder import make_study
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.results import Layout
from tristream.store import atomic_path

# The study is the workflow's; its maps are BIDS derivatives of their own, below results/maps/.
IGNORED = (
    *("Snakefile", "config.yaml", "workflow", "results", "data", ".snakemake"),
    "pipeline_description.json",
)
MADE_BY = {
    "Name": "tristream",
    "Version": __version__,
    "Description": "Voxelwise encoding models and decoders of films, music, images and labels.",
}


def set_up(dataset: str, folder: Path, derivatives: str | None = None) -> Resolved:
    """The study of a BIDS dataset in `folder`, which is written the first time.

    Parameters
    ----------
    dataset : str
        The BIDS folder.
    folder : Path
        Where the study lies and works.
    derivatives : str, optional
        Folder of fMRIPrep's outputs, if they are not in the dataset.

    Returns
    -------
    Resolved
        The checked study.

    Raises
    ------
    UserError
        If something about the dataset can only be answered by the user (one line a question), or
        the folder holds the study of another dataset, or lies in the dataset.
    """
    root = Path(dataset).expanduser().absolute()
    if not root.is_dir():
        raise UserError(f"{dataset}: no such folder; name the BIDS dataset")
    if folder.resolve().is_relative_to(root.resolve()):
        raise UserError(
            f"{folder}: lies in the dataset, whose files are listed; name a folder outside of it"
        )
    config = folder / "config.yaml"
    if not config.exists():
        written = describe(
            str(root), folder / DESCRIPTORS, data=folder / "data", derivatives=derivatives
        )
        make_study(folder, str(written.path))
    resolved = load(config)
    if (found := _sources(resolved)) != [root]:
        raise UserError(
            f"{folder}: holds a study of {', '.join(map(str, found))}, not of {root}; name another "
            "folder for the outputs"
        )
    return resolved


def participants(resolved: Resolved, asked: Sequence[str]) -> list[str]:
    """The subjects of a study that are asked for, all by default; ``sub-`` may stand before them.

    Raises
    ------
    UserError
        If one is not among the study's subjects.
    """
    (known,) = resolved.subjects.values()
    labels = [label.removeprefix("sub-") for label in asked]
    if unknown := [label for label in labels if label not in known]:
        raise UserError(
            f"--participant-label: {', '.join(unknown)}: not among the study's subjects, which are "
            f"{', '.join(known)}"
        )
    return labels or list(known)


def describe_outputs(folder: Path, resolved: Resolved) -> None:
    """Write what BIDS asks of a folder of derivatives, once there is something in it.

    That is ``dataset_description.json``, ``pipeline_description.json``, ``README.md`` and
    ``.bidsignore``. Whether the data are simulated comes from the receipt of the dataset.
    """
    ((name, about),) = resolved.datasets.items()
    receipt = folder / Layout(resolved.study.results).path("dataset", dataset=name)
    if not receipt.exists():
        return
    simulated = Receipt.read(receipt).simulated
    texts = {
        "dataset_description.json": json.dumps(_description(about, simulated), indent=2),
        "pipeline_description.json": json.dumps(MADE_BY, indent=2),
        "README.md": (
            f"# tristream: {about.title}\n\n"
            f"A study of tristream {__version__}, of {'simulated' if simulated else 'measured'} "
            "BOLD. `results/report/index.html` is its report, which has the text for the methods "
            "section; each folder of `results/maps/` is a dataset of BIDS derivatives. "
            "`tristream run` in this folder goes on with it."
        ),
        ".bidsignore": "\n".join(IGNORED),
    }
    for file, text in texts.items():
        with atomic_path(folder / file) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")


def _description(about: Dataset, simulated: bool) -> dict[str, object]:
    return {
        "Name": f"tristream: {about.title}",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "License": about.licence,
        "Simulated": simulated,
        "GeneratedBy": [MADE_BY],
        "SourceDatasets": [{"URL": place.as_uri()} for place in _places(about)],
    }


def _places(about: Dataset) -> list[Path]:
    """Where a dataset lies that is a folder or a clone on this machine."""
    place = getattr(about.source, "path", None) or getattr(about.source, "url", None)
    return [Path(place)] if place else []


def _sources(resolved: Resolved) -> list[Path]:
    return [place for about in resolved.datasets.values() for place in _places(about)]
