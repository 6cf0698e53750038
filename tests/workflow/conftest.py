"""What several tests of the DAG share."""

from pathlib import Path

import pytest

from helpers.wide_study import copy_code, finish


@pytest.fixture(scope="session")
def wide_study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The finished study of every layout, and the copy of package and workflow that finished it.

    Dry runs take back what they change. Tests that ask for it are of one group, `wide`.
    """
    code = copy_code(tmp_path_factory.mktemp("code"))
    return finish(tmp_path_factory.mktemp("wide"), code), code
