"""Brain maps, as the maps stage lists them."""

from pathlib import Path

from tristream.report.elements import Block, Figure, Heading, Link, Table
from tristream.report.study_results import Results
from tristream.store import read_json

FORMATS = {
    "nifti": "NIfTI volumes",
    "gifti": "fsaverage5 GIfTI",
    "cifti": "CIFTI of the grayordinates that were analysed",
}


def maps_of(results: Results, dataset: str, name: str, subject: str) -> Path:
    """List of the maps of a model or a contrast."""
    if name in results.resolved.study.contrasts:
        return results.path("contrast_maps", dataset=dataset, contrast=name, subject=subject)
    return results.path("maps", dataset=dataset, model=name, subject=subject)


def figures_of(
    results: Results, dataset: str, model: str, subject: str, quantities: tuple[str, ...]
) -> list[Block]:
    """The maps of some quantities of one model and subject, and what the stage left out."""
    path = maps_of(results, dataset, model, subject)
    if gone := results.missing(f"Maps of {model}", path):
        return [*gone]
    content, said = read_json(path, "maps")
    results.read(path, said)
    found: list[Block] = [
        Figure(
            m["title"],
            m["caption"],
            png=results.link(path.parent / m["file"]),
            svg=results.link(path.parent / m["svg"]),
            tsv=results.link(path.parent / m["tsv"]),
        )
        for m in content["maps"]
        if m["kind"] in ("volume", "inflated", "flat") and m["quantity"] in quantities
    ]
    return found


def files_of(results: Results, dataset: str, model: str, subject: str) -> list[Block]:
    """Links to the NIfTI, GIfTI and CIFTI files of one model and subject."""
    path = maps_of(results, dataset, model, subject)
    if not path.is_file():
        return []
    content = read_json(path, "maps")[0]
    rows = tuple(
        (Link(m["file"].rsplit("/", 1)[-1], results.link(path.parent / m["file"])), m["title"])
        for m in content["maps"]
        if m["kind"] in FORMATS
    )
    formats = dict.fromkeys(FORMATS[m["kind"]] for m in content["maps"] if m["kind"] in FORMATS)
    caption = f"Files of the maps of {model}: {' and '.join(formats)}."
    return [Heading(f"Map files of {model}"), Table(caption, ("file", "what"), rows, folded=True)]
