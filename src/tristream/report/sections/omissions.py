"""What a reader may look for and will not find, and why."""

from tristream.report.elements import Section, Table, Text
from tristream.report.study_results import Results, by_reason
from tristream.store import Omission

MOST_FILES = 3


def section(results: Results, dataset: str = "", subject: str = "") -> Section:
    """Everything that was left out, of all files or of those of one dataset and subject.

    Must come last: it lists what the other sections have met.
    """
    mine = {
        omission: files
        for omission, files in results.omitted.items()
        if _belongs(omission, files, dataset, subject)
    }
    rows = tuple(
        (", ".join(whats), why, ", ".join(_short(_files(mine, why))))
        for why, whats in sorted(by_reason(mine).items(), key=lambda item: item[1])
    )
    columns = ("not produced", "because", "named by")
    title = "Failures and omissions"
    if not rows:
        return Section("omissions", title, [Text("Nothing was left out.")])
    return Section("omissions", title, [Table("Not produced, and why.", columns, rows)])


def _belongs(omission: Omission, files: list[str], dataset: str, subject: str) -> bool:
    """A missing file is named in the reason; other omissions name the files that say so."""
    texts = files or [omission.why]
    return any(dataset in text and (not subject or f"sub-{subject}" in text) for text in texts)


def _files(omitted: dict[Omission, list[str]], why: str) -> list[str]:
    return sorted({f for omission, files in omitted.items() if omission.why == why for f in files})


def _short(files: list[str]) -> list[str]:
    if len(files) <= MOST_FILES:
        return files or ["–"]
    return [*files[:MOST_FILES], f"and {len(files) - MOST_FILES} more"]
