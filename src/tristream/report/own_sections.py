"""Sections of a study's own on the first page: a text, a table or a picture of its folder."""

from pathlib import Path

import PIL.Image

from tristream.config.report import OwnSection
from tristream.errors import UserError
from tristream.report.elements import Block, Figure, Table, Text
from tristream.report.study_results import Results
from tristream.store import atomic_path

MOST_TEXT, MOST_TABLE, MOST_PICTURE = 100_000, 1_000_000, 2_000_000
MOST_ROWS, MOST_COLUMNS, MOST_PIXELS = 1000, 40, 8000
FEW = 12
LIMITS = {".txt": MOST_TEXT, ".tsv": MOST_TABLE, ".png": MOST_PICTURE}


def blocks(results: Results, name: str) -> list[Block]:
    """What one section shows, and where it is from.

    Parameters
    ----------
    results : Results
    name : str
        In ``report: own:``.

    Raises
    ------
    UserError
        If its file leaves the study's folder by a link, is too large, or is not what its ending
        says.
    """
    section = results.resolved.study.report.own[name]
    path = Path(section.file)
    if not path.is_file():
        return [*results.leave_out(section.title, f"there is no {section.file}")]
    if not path.resolve().is_relative_to(Path.cwd().resolve()):
        raise UserError(f"{path}: is a link that leaves the study's folder; copy the file into it")
    most = LIMITS[path.suffix]
    if path.stat().st_size > most:
        raise UserError(f"{path}: has {path.stat().st_size:,} bytes; the first page takes {most:,}")
    source = Text(f"From {section.file}, as the study's authors wrote it.")
    if path.suffix == ".png":
        return [_picture(results, name, section, path), source]
    text = _text(path)
    if path.suffix == ".tsv":
        return [_table(section, path, text), source]
    words = [section.caption, *(" ".join(part.split()) for part in text.split("\n\n"))]
    return [*(Text(part) for part in words if part), source]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8; save it as that") from None


def _table(section: OwnSection, path: Path, text: str) -> Table:
    if not text.strip():
        raise UserError(f"{path}: is empty; give it a row of names at least")
    head, *rows = (line.split("\t") for line in text.rstrip("\n").split("\n"))
    if len(rows) > MOST_ROWS or len(head) > MOST_COLUMNS:
        raise UserError(
            f"{path}: has {len(rows)} rows of {len(head)} columns; the first page takes "
            f"{MOST_ROWS:,} rows of {MOST_COLUMNS} columns"
        )
    for number, row in enumerate(rows, start=2):
        if len(row) != len(head):
            raise UserError(
                f"{path}, line {number}: {len(row)} columns, but the first line has {len(head)}"
            )
    caption = section.caption or f"{section.title}."
    return Table(caption, tuple(head), tuple(map(tuple, rows)), folded=len(rows) > FEW)


def _picture(results: Results, name: str, section: OwnSection, path: Path) -> Figure:
    """The picture, written anew into the report's folder: pixels, and nothing else it may hold."""
    try:
        with PIL.Image.open(path, formats=["PNG"]) as image:
            if max(image.size) > MOST_PIXELS:
                raise UserError(f"{path}: is larger than {MOST_PIXELS:,} pixels; make it smaller")
            pixels = image.convert("RGBA")
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path}: can't be read as a PNG; save it as one ({error})") from None
    target = results.folder / "figures" / "own" / f"{name}.png"
    with atomic_path(target) as temporary:
        pixels.save(temporary, format="PNG")
    png = results.link(target)
    return Figure(section.title, section.caption, png, "", "", wide=True, size=pixels.size)
