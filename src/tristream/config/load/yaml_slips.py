"""What YAML makes of labels and ranges that were written without quotes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tristream.errors import UserError

# Keys whose values are lists of labels or runs, or maps to such lists.
LISTS = ("subjects", "runs", "missing", "timelines", "test")


def check_slips(content: Any, path: Path) -> None:
    """Refuse numbers and maps where labels and ranges are meant.

    Raises
    ------
    UserError
        One line for each key: what YAML read, and what to write.
    """
    found = list(_slips(content, ""))
    if found:
        raise UserError("\n".join(f"{path}: {line}" for line in found))


def _slips(content: Any, where: str) -> Iterator[str]:
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        place = f"{where}.{key}" if where else str(key)
        if key in LISTS:
            yield from _in_list(value, place)
        elif isinstance(value, dict):
            yield from _slips(value, place)


def _in_list(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, dict):
        if ranged := _range(value):
            yield f'{place}: {ranged} without quotes is a map to YAML; write ["{ranged}"]'
            return
        for key, inner in value.items():
            if isinstance(key, int):
                yield f'{place}: YAML reads the label {key} as a number; quote it: "{key:02d}"'
                return
            if isinstance(inner, list | dict):
                yield from _in_list(inner, f"{place}.{key}")
        return
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict) and (ranged := _range(one)):
            yield f'{place}: {ranged} without quotes is a map to YAML; write ["{ranged}"]'
            return
        if isinstance(one, int | float) and not isinstance(one, str):
            yield (
                f"{place}: YAML reads {one!r} where a label is meant, and drops zeros before it; "
                'quote labels: ["01", "02"]'
            )
            return


def _range(value: dict[Any, Any]) -> str:
    """``{01..05}``, which YAML takes for a map of one key without a value."""
    if len(value) == 1 and list(value.values()) == [None] and ".." in str(next(iter(value))):
        return "{" + str(next(iter(value))) + "}"
    return ""
