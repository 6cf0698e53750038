"""The descriptor of a dataset that nobody has described, written with reasons and questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tristream.config.load import descriptor
from tristream.config.load.questions import open_questions
from tristream.describe.betas_folder import betas_lines, find_betas
from tristream.describe.dataset_findings import look
from tristream.describe.descriptor_lines import all_lines, first_lines
from tristream.describe.media_files import Medium
from tristream.describe.open_dataset import open_dataset
from tristream.describe.run_list import find_runs
from tristream.describe.run_table import run_table
from tristream.describe.sidecar_facts import about
from tristream.describe.yaml_lines import Line, render
from tristream.errors import UserError


@dataclass(frozen=True)
class Written:
    """The descriptor that was written.

    Attributes
    ----------
    path : Path
    questions : list of str
        Open ones, with file and line.
    summary : str
        What was found, in a line.
    """

    path: Path
    questions: list[str]
    summary: str


def describe(
    dataset: str,
    output: Path,
    data: Path = Path("data"),
    derivatives: str | None = None,
    commit: str | None = None,
    name: str | None = None,
) -> Written:
    """Look at a dataset's names, headers and texts, and write its descriptor.

    Parameters
    ----------
    dataset, data, derivatives, commit, name
        As of :func:`tristream.describe.open_dataset.open_dataset`.
    output : Path
        Folder for ``ID.yaml`` and tables beside it.

    Raises
    ------
    UserError
        If the dataset can't be reached or holds no BOLD, or the descriptor is there already.
    """
    opened = open_dataset(dataset, data, derivatives, commit, name)
    path = output / f"{opened.name}.yaml"
    if path.exists():
        raise UserError(f"{path}: is there already; move it away, or choose another --id")
    if not find_runs(opened.listing.listed).runs and (betas := find_betas(opened.listing)):
        output.mkdir(parents=True, exist_ok=True)
        lines = [*first_lines(opened, about(opened.listing)), *betas_lines(betas)]
        return _written(path, opened.name, lines, betas.words)
    found = look(opened)
    output.mkdir(parents=True, exist_ok=True)
    if found.run_file:
        (output / found.run_file).write_text(run_table(found.runs), encoding="utf-8")
    if found.table_file:
        (output / found.table_file).write_text(_stimuli_tsv(found.media), encoding="utf-8")
    runs = sum(map(len, found.runs.of.values()))
    words = (
        f"{len(found.runs.of)} subjects, {runs} runs, layout {found.outputs.kind}, "
        f"{len(found.media)} stimuli"
    )
    return _written(path, opened.name, all_lines(found), words)


def _written(path: Path, name: str, lines: Sequence[Line], words: str) -> Written:
    path.write_text(render(lines), encoding="utf-8")
    descriptor(name, [path.parent], path, questions=False)  # what is written can be read
    return Written(path, open_questions(path), f"{path}: {words}")


def _stimuli_tsv(media: list[Medium]) -> str:
    rows = ["stimulus\tkind\tpath\tmatch\tlabel"]
    rows += [f"{m.stimulus}\t{m.kind}\t{m.path}\t{m.match}\t{m.label}" for m in media]
    return "\n".join(rows) + "\n"
