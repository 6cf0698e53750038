"""Text of tables that others wrote, which is not to be trusted."""

import math
from pathlib import Path

from tristream.config.base import LONGEST_TIME
from tristream.errors import UserError
from tristream.fetch.absent_content import absent_content


def plain_text(path: Path, where: str) -> str:
    """The text of a file.

    Raises
    ------
    UserError
        If it is not there, or is not UTF-8; calls it `where`.
    """
    if why := absent_content(path):
        raise UserError(f"{where}: its content is not present: {why}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{where}: no such file; fetch the dataset first") from None
    except UnicodeDecodeError:
        raise UserError(
            f"{where}: is not UTF-8 text (Windows-1252, perhaps); save it as UTF-8"
        ) from None
    if "\0" in text:
        raise UserError(f"{where}: holds zero bytes (UTF-16, perhaps); save it as UTF-8 text")
    return text


def unquoted(cell: str) -> str:
    """Stray quotes go, also where only one of a pair is there."""
    return cell.strip().strip("'\"").strip()


def seconds_in(cell: str, column: str, where: str) -> float:
    """The time that a cell states.

    Raises
    ------
    UserError
        If it is not a number, or beyond what a run can last; names `where` and `column`.
    """
    try:
        value = float(cell) if "_" not in cell else math.nan  # 1_0 is 10 in Python
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: {column} {cell!r} is not a number of seconds")
    if abs(value) > LONGEST_TIME:
        raise UserError(
            f"{where}: {column} {value:g} s is beyond {LONGEST_TIME:,.0f} s, and no run is as "
            "long; write it in seconds"
        )
    return value
