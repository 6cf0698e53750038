"""What a reader may look for and will not find, and why."""

from tristream.report.blocks import Section, Table, Text
from tristream.report.results import Results
from tristream.store import Omission

MOST_FILES = 3


def section(results: Results, dataset: str = "", subject: str = "") -> Section:
    """Everything that was left out, of all files or of those of one dataset and subject.

    Must come last: it lists what the other sections have met.
    """
    rows = tuple(
        (o.what, o.why, ", ".join(_short(files)))
        for o, files in sorted(results.omitted.items(), key=lambda item: item[0].what)
        if _belongs(o, files, dataset, subject)
    )
    columns = ("not produced", "because", "said by")
    title = "Failures and omissions"
    if not rows:
        return Section("omissions", title, [Text("Nothing was left out.")])
    return Section("omissions", title, [Table("Not produced, and why.", columns, rows)])


def _belongs(omission: Omission, files: list[str], dataset: str, subject: str) -> bool:
    """A missing file is named in the reason; other omissions name the files that say so."""
    said = files or [omission.why]
    return any(dataset in text and (not subject or f"sub-{subject}" in text) for text in said)


def _short(files: list[str]) -> list[str]:
    if len(files) <= MOST_FILES:
        return files or ["–"]
    return [*files[:MOST_FILES], f"and {len(files) - MOST_FILES} more"]
