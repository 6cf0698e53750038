"""What tests of pages in a browser share."""

from pathlib import Path

GRAVE = ("serious", "critical")


def violations(page, axe: Path) -> list[tuple[str, str]]:
    """What axe finds serious: the rule, and the first place."""
    page.evaluate(f"{axe.read_text(encoding='utf-8')};0")
    found = page.evaluate("axe.run()")["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in GRAVE]
