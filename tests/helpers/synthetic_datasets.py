"""Synthetic datasets with the real events, written by ``tristream simulate like`` for a study."""

import io
import shutil
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import yaml

from helpers import REPOSITORY
from tristream.cli import main

DESCRIPTORS = REPOSITORY / "workflow/datasets"


def begin(folder: Path) -> Path:
    """Unpack the real events below a study's folder, and make room for datasets."""
    shutil.unpack_archive(REPOSITORY / "tests/data/openneuro_events.tar.gz", folder / "real")
    (folder / "archive").mkdir()
    (folder / "workflow/datasets").mkdir(parents=True)
    return folder


def synthesise(
    folder: Path,
    name: str,
    changes: Mapping[str, Any],
    options: Sequence[str],
    of: str = "",
    resolution: float | None = None,
) -> dict[str, Any]:
    """Write a dataset's changed descriptor and its synthetic data; return its block of config.yaml.

    Parameters
    ----------
    folder : Path
        From :func:`begin`.
    name : str
        Id of the dataset.
    changes : dict
        Keys of the descriptor; subjects and runs that are not simulated must go.
    options : sequence of str
        More of ``tristream simulate like``.
    of : str
        Id of the real dataset, if it differs.
    resolution : float, optional
        Edge of the voxels (mm) of BOLD that is resampled.
    """
    real, own = of or name, folder / "workflow/datasets"
    described = yaml.safe_load((DESCRIPTORS / f"{real}.yaml").read_text())
    described |= {"missing": {}, **changes}
    if resolution:
        described["layout"]["resolution"] = resolution
    (own / f"{name}.yaml").write_text(yaml.safe_dump(described))
    for table in DESCRIPTORS.glob(f"{real}_*.tsv"):
        (own / table.name).write_bytes(table.read_bytes())
    call = ["simulate", "like", "--dataset", name, "--datasets", str(own)]
    call += ["--output", str(folder / "archive" / name), "--from", str(folder / "real" / real)]
    with redirect_stdout(io.StringIO()) as printed:
        assert main([*call, *options]) == 0
    found: dict[str, Any] = yaml.safe_load(printed.getvalue())["datasets"][name]
    return found
