"""Text of tables that others wrote, which is not to be trusted."""

from pathlib import Path

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
