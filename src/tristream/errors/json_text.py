"""JSON of anybody's: what it holds, or an error that names its file.

Text that is nested deeply ends Python's reader, and functions that call themselves for each level,
by another error than wrong text does; here both are the same.
"""

import json
from pathlib import Path
from typing import Any

from tristream.errors import UserError

# Levels of lists and objects in each other; metadata have a few.
DEEPEST = 100


def parse(text: str | bytes) -> Any:
    """What a JSON text holds.

    Raises
    ------
    ValueError
        If it is not JSON, not UTF-8, or nested deeply.
    """
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level = [content]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return content
    raise ValueError("it is nested too deeply")


def _inside(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for one in inner if isinstance(one, dict | list)]


def read_object(
    path: Path, wrong: str = "not valid JSON", remedy: str = "delete it and run again"
) -> dict[str, Any]:
    """The JSON object that a file holds.

    Parameters
    ----------
    path : Path
        The file; UTF-8, with or without a byte order mark.
    wrong : str
        What the message calls a file that can't be read.
    remedy : str
        What the message says to do.

    Raises
    ------
    UserError
        If it is missing, can't be read, or holds something else.
    """
    try:
        content = parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: {wrong} ({error}); {remedy}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: {wrong} (it must hold a JSON object); {remedy}")
    return content
