"""Brain maps, as the maps stage lists them."""

from pathlib import Path

from tristream.maps.map_list import read_maps
from tristream.report.elements import Block, Figure, Heading, Link, Table
from tristream.report.study_results import Results

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
    return figures_at(results, maps_of(results, dataset, model, subject), model, quantities)


def figures_at(
    results: Results, path: Path, model: str, quantities: tuple[str, ...]
) -> list[Block]:
    """The same of a list of maps."""
    if gone := results.missing(f"Maps of {model}", path):
        return [*gone]
    listed, provenance = read_maps(path)
    results.read(path, provenance)
    return [
        Figure(
            one.title,
            one.caption,
            png=results.link(path.parent / one.file),
            svg=results.link(path.parent / one.svg),
            tsv=results.link(path.parent / one.tsv),
        )
        for one in listed.maps
        if one.kind in ("volume", "inflated", "flat") and one.quantity in quantities
    ]


def files_of(results: Results, dataset: str, model: str, subject: str) -> list[Block]:
    """Links to the NIfTI, GIfTI and CIFTI files of one model and subject."""
    return files_at(results, maps_of(results, dataset, model, subject), model)


def files_at(results: Results, path: Path, model: str) -> list[Block]:
    """The same of a list of maps."""
    if not path.is_file():
        return []
    listed = [one for one in read_maps(path)[0].maps if one.kind in FORMATS]
    rows = tuple(
        (Link(one.file.rsplit("/", 1)[-1], results.link(path.parent / one.file)), one.title)
        for one in listed
    )
    if not rows:
        return []
    formats = dict.fromkeys(FORMATS[one.kind] for one in listed)
    caption = f"Files of the maps of {model}: {' and '.join(formats)}."
    return [Heading(f"Map files of {model}"), Table(caption, ("file", "what"), rows, folded=True)]
