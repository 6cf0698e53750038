"""Tracks of a corpus that are heard elsewhere, and must not train a network.

Whoever decodes genre from the brain through a network must not have trained that network on the
music of the test runs. A track is known again by its file's checksum, and as a sound by the prints
of the leakage audit, whatever its file is called and however it was encoded, up to two semitones
higher or lower.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from tristream.errors import UserError
from tristream.hashing import hash_file
from tristream.media.media_contents import media_info
from tristream.stimuli.audio_prints import LIKENESS, sound_prints
from tristream.stimuli.sequences import Prints, cut, join, search
from tristream.stimuli.tables import Inventory, Splits

# Tracks that are compared at once: memory stays bounded.
BATCH = 16


def heard_in_test_runs(inventory: Inventory, splits: Splits) -> dict[str, str]:
    """Films and sounds that runs other than training runs present.

    Returns
    -------
    dict of str to str
        Path inside the source of the stimuli, and sha256.

    Raises
    ------
    UserError
        If a test run presents a film or sound whose file is not there.
    """
    known = {stimulus.stimulus: stimulus for stimulus in inventory.stimuli}
    held = set(splits.table.loc[splits.table["split"] != "train", "run"])
    rows = inventory.table
    rows = rows[rows["kind"].isin(["film", "sound"]) & rows["run"].isin(held)]
    names = sorted(set(rows["stimulus"]))
    if absent := [name for name in names if name not in known]:
        raise UserError(
            f"{inventory.path}: the file of {absent[0]}, which test runs present, is not there; "
            "fetch the stimuli, and make the inventory again"
        )
    return {known[name].path: known[name].sha256 for name in names}


def same_sounds(
    tracks: Mapping[Path, str], sounds: Mapping[Path, str], progress: bool = True
) -> dict[Path, str]:
    """Tracks that are, or sound like, one of some sounds.

    Parameters
    ----------
    tracks, sounds : dict of Path to str
        Files and their sha256.
    progress : bool
        Whether a bar is drawn.

    Returns
    -------
    dict of Path to str
        Each such track, and why it is one.
    """
    files = {digest: path for path, digest in sounds.items()}
    found = {
        path: f"is the file {files[digest].name}"
        for path, digest in tracks.items()
        if digest in files
    }
    rest = [path for path in tracks if path not in found]
    if not rest or not sounds:
        return found
    names = list(sounds)
    theirs = join(list(_prints(names)))
    groups = tqdm(
        [rest[first : first + BATCH] for first in range(0, len(rest), BATCH)],
        desc="comparing sounds",
        mininterval=5,
        disable=not progress,
    )
    for group in groups:
        ours = join(list(_prints(group)))
        for hit in search(theirs, ours, LIKENESS)[0]:
            path, name = group[hit.train_segment], names[hit.test_segment].name
            found.setdefault(path, f"sounds like {name} (r = {hit.score:.2f}, {hit.variant})")
    return found


def _prints(paths: Sequence[Path]) -> Iterator[Prints]:
    for number, path in enumerate(paths):
        values, informative = sound_prints(path)
        yield cut(values, informative, [(number, 0.0, media_info(path).duration)])


def checksums(paths: Sequence[Path]) -> dict[Path, str]:
    """Each file's sha256.

    Raises
    ------
    UserError
        If one of them is not there.
    """
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path}: no such file; name sounds that are there")
    return {path: hash_file(path) for path in paths}
