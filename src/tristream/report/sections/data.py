"""Where the data come from."""

from collections.abc import Mapping
from typing import Any

from tristream.config.layouts import FSAVERAGE5, FSLR, RawLayout
from tristream.fetch.receipt import Receipt
from tristream.report.elements import Block, Code, Section, Text, facts
from tristream.report.study_results import Results
from tristream.stimuli.tables import read_splits

MEANING = {
    FSAVERAGE5: ", surfaces: a voxel is a vertex",
    FSLR: ": a voxel is a vertex of the cortex or a voxel below it",
}


def dataset_section(results: Results, dataset: str) -> Section:
    """Source, licence, citation and credit of a dataset."""
    descriptor = results.resolved.datasets[dataset]
    path = results.path("dataset", dataset=dataset)
    blocks: list[Block] = [*results.missing("Receipt of the dataset", path)]
    receipt = results.receipt(dataset)
    if receipt is not None:
        blocks += results.read(path, receipt.provenance)
    indices = results.indices(dataset)
    runs = [run for index in indices for run in index.runs]
    rows = [
        ("Title", descriptor.title),
        ("BOLD", "simulated" if results.simulated(dataset) else "measured"),
        ("Subjects in this study", ", ".join(results.resolved.subjects[dataset])),
        ("Runs of all subjects", len(runs) or None),
        ("Repetition time", ", ".join(f"{tr:g} s" for tr in sorted({run.tr for run in runs}))),
        ("Tested", _tested(results, dataset)),
        ("Space", ", ".join(dict.fromkeys(_space(index.space) for index in indices))),
        ("Source", _source(receipt.source) if receipt else ""),
        ("Commit", receipt.commit if receipt else ""),
        ("Files listed", len(receipt.files) if receipt else None),
        ("Licence", descriptor.licence),
        ("Credit", descriptor.credit),
        ("Citation", descriptor.citation),
        ("Stimuli", _stimuli(results, dataset)),
    ]
    return Section("data", "Data and provenance", [facts(rows), *_plain(results, dataset), *blocks])


def subject_section(results: Results, dataset: str, subject: str) -> Section:
    """What was fetched of one subject."""
    path = results.path("receipt", dataset=dataset, subject=subject)
    blocks: list[Block] = [*results.missing("Receipt", path)]
    if path.is_file():
        receipt = Receipt.read(path)
        blocks += results.read(path, receipt.provenance)
        size = sum(file.size or 0 for file in receipt.files) / 1e6
        rows = {
            "Source": _source(receipt.source),
            "Commit": receipt.commit,
            "Files": f"{len(receipt.files)} ({size:,.1f} MB)",
        }
        blocks.append(facts(rows))
    return Section("data", "Data", [*_plain(results, dataset), *blocks])


def _plain(results: Results, dataset: str) -> list[Block]:
    """That no pipeline came before tristream's own, and how to do better."""
    if not isinstance(results.resolved.datasets[dataset].layout, RawLayout):
        return []
    text = (
        "This BOLD was prepared from raw images by tristream itself, with ANTs. Head motion and "
        "the place in the template were corrected; distortion by the magnetic field and the timing "
        "of slices were not, and without tissue maps there is nothing to compute aCompCor from. "
        "For results that are to be published, run fMRIPrep on the dataset and name its outputs "
        "in layout.derivatives of the descriptor, with kind fmriprep:"
    )
    subjects = " ".join(results.resolved.subjects[dataset])
    command = (
        f"fmriprep-docker {dataset} {dataset}/derivatives/fmriprep participant "
        f"--participant-label {subjects} --output-spaces MNI152NLin2009cAsym:res-2"
    )
    return [Text(text), Code(command)]


def _space(name: str) -> str:
    return f"{name}{MEANING.get(name, '')}"


def _tested(results: Results, dataset: str) -> str:
    """Which runs were held out, by the table of splits."""
    path = results.path("splits", dataset=dataset)
    if not path.is_file():
        return ""
    table = read_splits(path).table
    tested = list(dict.fromkeys(table.loc[table["split"] == "test", "run"].astype(str)))
    in_turn = table.loc[table["split"] == "each", "run"].nunique()
    parts = [f"{len(tested)} runs: {', '.join(tested)}"] if tested else []
    return "; ".join([*parts, *([f"each of {in_turn} runs in turn"] if in_turn else [])])


def _source(source: Mapping[str, Any]) -> str:
    if source.get("kind") == "archive":
        return (
            f"{source.get('package')} {source.get('version')} on the Python package index, "
            f"sha256 {source.get('sha256')}"
        )
    place = source.get("url") or source.get("path") or source.get("project") or ""
    return f"{source.get('kind', '')} {place}".strip()


def _stimuli(results: Results, dataset: str) -> str:
    """Source and licence of the media, by their receipt."""
    if not results.expects("stimuli_receipt", dataset=dataset):
        return "labels of the events; no media files"
    path = results.path("stimuli_receipt", dataset=dataset)
    if not path.is_file():
        return ""
    receipt = Receipt.read(path)
    results.read(path, receipt.provenance)
    parts = [_source(receipt.source), receipt.licence, str(receipt.source.get("credit", ""))]
    return "; ".join(part for part in parts if part)
