"""Where the data come from."""

from tristream.config.layouts import FSAVERAGE5, FSLR, FmriprepLayout, Layout, RawLayout
from tristream.report.elements import Block, Code, Section, Text, facts
from tristream.report.study_results import Results
from tristream.store import read_json


def dataset_section(results: Results, dataset: str) -> Section:
    """Source, licence, citation and credit of a dataset."""
    descriptor = results.resolved.datasets[dataset]
    path = results.path("dataset", dataset=dataset)
    blocks: list[Block] = [*results.missing("Receipt of the dataset", path)]
    receipt: dict = {}
    if path.is_file():
        receipt, said = read_json(path, "receipt")
        blocks += results.read(path, said)
    layout = descriptor.layout
    rows = [
        ("Title", descriptor.title),
        ("BOLD", "simulated" if results.simulated(dataset) else "measured"),
        ("Subjects in this study", ", ".join(results.resolved.subjects[dataset])),
        ("Runs", len(descriptor.runs)),
        ("Repetition time", f"{descriptor.tr:g} s"),
        ("Held out", _split(results, dataset)),
        ("Permuted unit", _exchange(results, dataset)),
        ("Space", _space(layout)),
        ("Source", _source(receipt.get("source", {}))),
        ("Commit", receipt.get("commit", "")),
        ("Files listed", len(receipt["files"]) if receipt else None),
        ("Licence", descriptor.licence),
        ("Credit", descriptor.credit),
        ("Citation", descriptor.citation),
        ("Stimuli", _stimuli(results, dataset)),
    ]
    return Section("data", "Data and provenance", [facts(rows), *_plain(results, dataset), *blocks])


def _plain(results: Results, dataset: str) -> list[Block]:
    """That the BOLD came the plain road, and how to do better."""
    if not isinstance(results.resolved.datasets[dataset].layout, RawLayout):
        return []
    said = (
        "This BOLD came the plain road: tristream registered the raw images itself with ANTs. Head "
        "motion and the place in the template were corrected; distortion by the magnetic field and "
        "the timing of slices were not, and there are no tissue maps, so no aCompCor. For results "
        "that are to be published, run fMRIPrep on the dataset and name its outputs in "
        "layout.derivatives of the descriptor, with kind fmriprep:"
    )
    subjects = " ".join(results.resolved.subjects[dataset])
    command = (
        f"fmriprep-docker {dataset} {dataset}/derivatives/fmriprep participant "
        f"--participant-label {subjects} --output-spaces MNI152NLin2009cAsym:res-2"
    )
    return [Text(said), Code(command)]


def _space(layout: Layout) -> str:
    if isinstance(layout, RawLayout):
        return f"{layout.space}, {layout.resolution:g} mm"
    if not isinstance(layout, FmriprepLayout):
        return "the images' own grid"
    if layout.space == FSAVERAGE5:
        return f"{layout.space}, surfaces: a voxel is a vertex"
    if layout.space == FSLR:
        return f"{layout.space}: a voxel is a vertex of the cortex or a voxel below it"
    return layout.space


def subject_section(results: Results, dataset: str, subject: str) -> Section:
    """What was fetched of one subject."""
    receipt = results.path("receipt", dataset=dataset, subject=subject)
    blocks: list[Block] = [*results.missing("Receipt", receipt)]
    if receipt.is_file():
        said, provenance = read_json(receipt, "receipt")
        blocks += results.read(receipt, provenance)
        size = sum(f.get("size") or 0 for f in said["files"]) / 1e6
        rows = {
            "Source": _source(said.get("source", {})),
            "Commit": said.get("commit", ""),
            "Files": f"{len(said['files'])} ({size:,.1f} MB)",
        }
        blocks.append(facts(rows))
    return Section("data", "Data", [*_plain(results, dataset), *blocks])


def _split(results: Results, dataset: str) -> str:
    split = results.resolved.datasets[dataset].split
    if split.scheme == "leave-one-run-out":
        return "each run once (leave-one-run-out)"
    runs = [r for r in results.resolved.datasets[dataset].runs if split.is_test(r)]
    return f"{len(runs)} runs: {', '.join(runs)}"


def _exchange(results: Results, dataset: str) -> str:
    exchange = results.resolved.datasets[dataset].exchange
    unit = f"{exchange.seconds:g} s of time" if exchange.unit == "time" else f"one {exchange.unit}"
    return f"{unit}, within its {exchange.within}"


def _source(source: dict) -> str:
    if source.get("kind") == "archive":
        return (
            f"{source.get('package')} {source.get('version')} on the Python package index, "
            f"sha256 {source.get('sha256')}"
        )
    place = source.get("url") or source.get("path") or source.get("project") or ""
    return f"{source.get('kind', '')} {place}".strip()


def _stimuli(results: Results, dataset: str) -> str:
    stimuli = results.resolved.datasets[dataset].stimuli
    if stimuli.source is None:
        return "labels of the events; no media files"
    said = stimuli.source.model_dump()
    parts = [_source(said), said.get("licence", ""), said.get("credit", "")]
    return "; ".join(part for part in parts if part)
