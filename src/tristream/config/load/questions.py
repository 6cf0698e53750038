"""Questions that ``tristream describe`` and ``init`` leave in files, for the user to answer."""

import re
from pathlib import Path

from tristream.errors import UserError

MARK = "# QUESTION: "
OPEN = re.compile(r"(?:^|\s)# QUESTION:\s*(.*)$")


def open_questions(file: Path) -> list[str]:
    """Each question that is still in a file, with its place: ``file: line 3: which …``."""
    lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    found = ((number, OPEN.search(line)) for number, line in enumerate(lines, start=1))
    return [f"{file}: line {number}: {match[1].strip()}" for number, match in found if match]


def check_answered(file: Path) -> None:
    """Refuse a file with open questions.

    Raises
    ------
    UserError
        One line a question.
    """
    if asked := open_questions(file):
        how = "answer it in the line below, then delete the comment `# QUESTION: …`"
        raise UserError("\n".join(f"{line} ({how})" for line in asked))
