"""The lines of a descriptor: the dataset, its files and its runs."""

from collections.abc import Iterator, Mapping

from tristream import __version__
from tristream.config.sources import DataladSource
from tristream.describe.dataset_findings import RESOLUTION, Found
from tristream.describe.events_lines import events_lines, split_lines, stimuli_lines
from tristream.describe.open_dataset import PLACE, Opened, Source
from tristream.describe.run_list import compact, ranged
from tristream.describe.yaml_lines import Line, listed, plain, quoted
from tristream.phrases import counted


def all_lines(found: Found) -> list[Line]:
    """Every line, in the order of the file."""
    return [
        *first_lines(found.opened, found.about),
        *_layout(found),
        *_times(found),
        *_size(found),
        *_runs(found),
        *events_lines(found),
        *stimuli_lines(found),
        *split_lines(found),
    ]


def first_lines(opened: Opened, about: Mapping[str, object]) -> Iterator[Line]:
    """What the file is, and the dataset: its names, licence, citation and source."""
    yield Line("", f"Written by `tristream describe` {__version__} from names, headers and texts.")
    yield Line("", "Check each line; answer each question in the line below it and delete it.")
    yield from _about(opened.name, about)
    yield from _source(opened)


def _text(value: object) -> str:
    """Text of a dataset's description; of a list its entries."""
    if isinstance(value, list):
        return "; ".join(plain(str(one)) for one in value)
    return plain(str(value)) if value else ""


def _about(name: str, about: Mapping[str, object]) -> Iterator[Line]:
    yield Line(f"id: {name}")
    yield Line(f"title: {quoted(_text(about.get('Name')) or name)}", "its own name of itself")
    licence = _text(about.get("License"))
    yield Line(
        f"licence: {quoted(licence or 'unknown')}",
        "dataset_description.json" if licence else "",
        "" if licence else "under which licence are the data? dataset_description.json is silent",
    )
    cited = _text(about.get("HowToAcknowledge")) or _text(about.get("ReferencesAndLinks"))
    doi = _text(about.get("DatasetDOI"))
    parts = [part for part in (cited or _text(about.get("Authors")), doi) if part]
    yield Line(
        f"citation: {quoted('; '.join(parts) or 'unknown')}",
        "",
        "" if cited else "how is it cited? the dataset names authors alone, or nobody",
    )


def _of_source(key: str, source: Source) -> str:
    if isinstance(source, DataladSource):
        commit = quoted(str(source.commit))
        return f"{key}:\n  kind: datalad\n  url: {quoted(source.url)}\n  commit: {commit}"
    return f"{key}:\n  kind: folder\n  path: {quoted(source.path)}"


def _source(opened: Opened) -> Iterator[Line]:
    yield Line(_of_source("source", opened.source))
    if opened.derivatives is not None:
        yield Line(_of_source("derivatives", opened.derivatives), f"read as if it lay in {PLACE}")
    elif opened.asked_derivatives:
        yield Line(
            "",
            f"{opened.asked_derivatives} could not be looked at.",
            "are there outputs of fMRIPrep? describe again with --derivatives ADDRESS, or go on "
            "with the layout below",
        )


def _layout(found: Found) -> Iterator[Line]:
    outputs = found.outputs
    yield Line("layout:")
    yield Line(f"  kind: {outputs.kind}", LAYOUTS[outputs.kind])
    if outputs.kind == "spm":
        yield Line(
            f"  bold: {quoted(outputs.bold)}",
            "",
            "were these images preprocessed (motion correction at least)? else `layout: {kind: "
            "raw}`",
        )
        if outputs.rois:
            yield Line(f"  rois: {quoted(outputs.rois)}", "masks of regions")
            regions = "\n".join(
                f"    {name}: {listed(masks)}" for name, masks in outputs.regions.items()
            )
            yield Line(f"  regions:\n{regions}", "both hemispheres as one")
    if outputs.home:
        yield Line(f"  derivatives: {quoted(outputs.home)}")
    if outputs.space:
        others = ", ".join(f"{space} ({n} runs)" for space, n in outputs.spaces.items())
        yield Line(f"  space: {outputs.space}", f"of {others}" if len(outputs.spaces) > 1 else "")
    if outputs.kind in ("fmriprep_minimal", "raw"):
        yield Line(f"  resolution: {RESOLUTION}", "edge of a voxel in mm, your choice")
    if not outputs.padded:
        yield Line("  padded_runs: false", "the outputs write run-1")
    if outputs.kind != "spm":
        yield Line("  confounds: [motion, high_pass]", "projected out; your choice")
    for subject, runs in list(outputs.lacking.items())[:5]:
        yield Line("", f"sub-{subject}: not preprocessed, so left out: {', '.join(compact(runs))}")


LAYOUTS = {
    "raw": "no outputs were found (elsewhere? --derivatives): ANTs registers the images",
    "fmriprep": "whole outputs of fMRIPrep",
    "fmriprep_minimal": "fMRIPrep's minimal outputs: BOLD is resampled by its transforms",
    "spm": "images of another program",
}


def _times(found: Found) -> Iterator[Line]:
    times = found.times
    if times.usual is None:
        yield Line("tr: 2.0", "", "what is the repetition time (s)? no sidecar and no header says")
        return
    others = [value for value in times.counts if value != times.usual]
    where = "; ".join(f"{value:g} s in {times.odd[value]}" for value in others)
    yield Line(
        f"tr: {times.usual:g}",
        f"all {times.by}" if not others else "",
        f"most {times.by} say {times.usual:g} s, but {where}: leave those runs out?"
        if others
        else "",
    )


def _size(found: Found) -> Iterator[Line]:
    """What the demands of jobs are judged by until the images are prepared."""
    if (sizes := found.sizes) is not None:
        text = f"size: {{volumes: {sizes.volumes}, voxels: {sizes.voxels}}}"
        yield Line(text, f"at the most, by the headers of {counted(sizes.images, 'image')}")


def _runs(found: Found) -> Iterator[Line]:
    runs = found.runs
    yield Line(f"subjects: {listed(ranged(list(runs.of)))}", f"{len(runs.of)}")
    for task, why in found.left_out.items():
        yield Line("", f"task-{task} is left out: {why}")
    counts = sorted({len(own) for own in runs.of.values()})
    many = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])
    if found.run_file:
        yield Line(f"runs: {found.run_file}", f"the runs that exist, a row a subject: {many} each")
        return
    rows = "\n".join(f"  - {quoted(run)}" for run in compact(runs.runs))
    yield Line(f"runs:\n{rows}", f"{many} a subject")
    if runs.missing:
        yield Line(f"missing:\n{_missing(runs.missing)}", "runs that a subject does not have")


def _missing(missing: Mapping[str, list[str]]) -> str:
    return "\n".join(f'  "{subject}": {listed(compact(own))}' for subject, own in missing.items())
