"""The methods text with its references."""

from tristream.report.elements import Block, Code, Heading, Section, Text
from tristream.report.methods import gather
from tristream.report.study_results import Results
from tristream.store import atomic_path


def section(results: Results) -> Section:
    """Methods of the study, free to be copied; also writes ``references.bib``."""
    methods = gather(results)
    with atomic_path(results.folder / "references.bib") as temporary:
        temporary.write_text(methods.bibtex, encoding="utf-8")
    blocks: list[Block] = []
    for heading, text in methods.paragraphs:
        blocks += [Heading(heading), Text(text)]
    blocks.append(Heading("References"))
    blocks += [Text(reference) for reference in methods.references]
    blocks.append(Code(methods.bibtex, "BibTeX (the file references.bib beside this page)"))
    return Section("methods", "Methods", blocks)
