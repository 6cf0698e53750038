"""Write the report: pages, figures and tables, ``index.html`` last."""

from collections.abc import Sequence
from pathlib import Path

from tristream import __version__
from tristream.config.load import Resolved
from tristream.errors import masked
from tristream.maps.style import style
from tristream.report import cobidas
from tristream.report.elements import Link, Page
from tristream.report.pages import TECHNICAL, all_pages
from tristream.report.rendering import asset, environment, hash_of
from tristream.report.sections import power
from tristream.report.single_file import write_single_file
from tristream.report.study_results import Results
from tristream.report.thresholds import all_checks
from tristream.results import PLACES
from tristream.results.written import sizes
from tristream.store import Provenance, atomic_path, write_json

KIND = "report"
LISTING = Path(PLACES["report_files"].pattern).name


def build(resolved: Resolved, output: Path, code: str = "", workers: int = 1) -> None:
    """Write the report of a study from the files on disk, and the list of its own files.

    Parameters
    ----------
    resolved : Resolved
        The study.
    output : Path
        ``…/index.html``; everything else goes into its folder.
    code : str
        Fingerprint for the provenance of the tables.
    workers : int
        Processes that make pages.

    Raises
    ------
    UserError
        If a file is damaged or of another kind. A missing file is named on its page.
    """
    results = Results(resolved, output.parent, code)
    with style():
        pages = all_pages(results, all_checks(results), workers)
    write_pages(pages, resolved, output)
    if resolved.study.report.single_file:
        write_single_file(pages, output.parent)
    listing = results.folder / LISTING
    written = (f for f in results.folder.rglob("[!.]*") if f.is_file() and f != listing)
    simulated = any(map(results.simulated, resolved.datasets))
    write_json(listing, {"files": sizes(written, listing)}, Provenance(KIND, simulated, code=code))


def write_pages(pages: Sequence[Page], resolved: Resolved, output: Path) -> None:
    """Write pages as HTML, the first of them last, at `output`, and the others beside it."""
    template = environment().get_template("page.html")
    css, script = (asset(f"report.{ending}") for ending in ("css", "js"))
    navigation = _navigation(resolved)
    for page in reversed(pages):
        html = template.render(
            page=page,
            study=resolved.study.title,
            navigation=navigation,
            css=css,
            css_hash=hash_of(css),
            script=script,
            script_hash=hash_of(script),
            version=__version__,
        )
        path = output if page is pages[0] else output.parent / page.file
        with atomic_path(path) as temporary:
            temporary.write_text(masked(html), encoding="utf-8")


def _navigation(resolved: Resolved) -> list[tuple[Link, list[Link]]]:
    """Datasets with their subjects, designs that are still to be scanned, what it all cost, and the
    field's checklist."""
    entries = [
        (
            Link(dataset, f"{dataset}.html"),
            [Link(f"sub-{s}", f"{dataset}_sub-{s}.html") for s in subjects],
        )
        for dataset, subjects in resolved.subjects.items()
    ]
    if designs := resolved.study.power:
        links = [Link(name, power.page_of(name)) for name in designs]
        entries.append((Link("power", "index.html#power"), links))
    entries += [(Link("technical", TECHNICAL), []), (Link("checklist", cobidas.FILE), [])]
    return entries
