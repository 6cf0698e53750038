"""Small helps for the sentences of a methods section."""

from collections.abc import Iterable


def listed(parts: Iterable[object]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *most, last = [str(part) for part in parts]
    return f"{', '.join(most)} and {last}" if most else last


def counted(number: int, noun: str) -> str:
    """``1 run``, ``3 runs``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
