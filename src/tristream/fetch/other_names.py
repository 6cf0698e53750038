"""The names that versions of fMRIPrep give one file, and what a dataset has instead of one."""

import re
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import PurePosixPath

# How many similar files a message lists.
SHOWN = 3


def as_listed(path: str, there: Collection[str]) -> str:
    """`path` under the name that a dataset gives it; `path` itself if it has none.

    Confounds were once ``regressors``; images may be uncompressed; hemispheres stood behind the
    space; a space may come with a resolution that the layout leaves out; runs may be numbered with
    other zeros.

    Parameters
    ----------
    path : str
        As the newest version would write it.
    there : collection of str
        All files of the dataset.
    """
    if path in there:
        return path
    folder, pattern = f"{PurePosixPath(path).parent}/", re.compile(named(path))
    found = [other for other in there if other.startswith(folder) and pattern.fullmatch(other)]
    return found[0] if len(found) == 1 else path


def named(path: str) -> str:
    """A regular expression of all names of a file, with its folders."""
    folder, slash, name = path.rpartition("/")
    pattern = re.escape(name).replace(r"\-", "-")
    pattern = pattern.replace("timeseries", "(?:timeseries|regressors)")
    pattern = re.sub(r"\\\.nii\\\.gz$", r"\\.nii(?:\\.gz)?", pattern)
    hemisphere = re.compile(r"_hemi-([LR])_space-([A-Za-z0-9]+)")
    pattern = hemisphere.sub(r"(?:_hemi-\1_space-\2|_space-\2_hemi-\1)", pattern)
    pattern = re.sub(r"(_space-[A-Za-z0-9]+)_desc", r"\1(?:_res-[A-Za-z0-9]+)?_desc", pattern)
    pattern = re.sub(r"_run-0*(\d+)", r"_run-0*\1", pattern)
    return re.escape(folder) + slash + pattern


def similar(path: str, there: Collection[str]) -> str:
    """What a message says of files whose names resemble one that is not there; may be empty.

    Parameters
    ----------
    path : str
        The file that is missing.
    there : collection of str
        All files of the dataset.
    """
    name = PurePosixPath(path).name
    subject, suffix = name.split("_")[0], name.split("_")[-1].split(".")[0]
    names = {
        PurePosixPath(other).name: other
        for other in there
        if PurePosixPath(other).name.startswith(f"{subject}_") and f"_{suffix}." in other
    }
    # The file itself, compressed, is nearer than another run's.
    close = [n for n in names if n.startswith(f"{name}.")]
    close += get_close_matches(name, names, SHOWN - len(close), cutoff=0.6)
    close = list(dict.fromkeys(close))
    return f" (similar: {', '.join(names[one] for one in close)})" if close else ""
