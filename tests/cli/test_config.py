"""`tristream config` checks a study with its datasets, and writes the references as committed."""

import pytest

from helpers import REPOSITORY, report_tree
from tristream.cli import main

WRITTEN = [REPOSITORY / "docs" / name for name in ("config.md", "paths.md")]
WRITTEN += sorted((REPOSITORY / "workflow/schemas").glob("*.json"))


def test_a_check_says_how_much_of_each_kind_there_is(tmp_path, capsys):
    path = report_tree.write_study(tmp_path)
    study = report_tree.read_study(path).study
    assert main(["config", "check", "--config", str(path)]) == 0
    printed = capsys.readouterr().out
    for part in ("features", "models", "decoders", "identification", "rsa", "contrasts"):
        assert f"{len(getattr(study, part))} {part}" in printed
    assert len(study.models) > 0


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_references_are_those_that_are_committed(path, tmp_path):
    for folder in ("docs", "workflow/schemas"):
        (tmp_path / folder).mkdir(parents=True)
    assert main(["config", "reference", "--root", str(tmp_path)]) == 0
    assert (tmp_path / path.relative_to(REPOSITORY)).read_text() == path.read_text()
