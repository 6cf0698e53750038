"""The methods text with its references."""

from tristream.report.elements import Block, Code, Heading, Text
from tristream.report.methods import gather
from tristream.report.study_results import Results
from tristream.store import atomic_path


def blocks(results: Results) -> list[Block]:
    """Methods of the study, free to be copied; also writes ``references.bib``."""
    methods = gather(results)
    with atomic_path(results.folder / "references.bib") as temporary:
        temporary.write_text(methods.bibtex, encoding="utf-8")
    found: list[Block] = []
    for heading, text in methods.paragraphs:
        found += [Heading(heading), Text(text)]
    found.append(Heading("References"))
    found += [Text(reference) for reference in methods.references]
    found.append(Code(methods.bibtex, "BibTeX (the file references.bib beside this page)"))
    return found
