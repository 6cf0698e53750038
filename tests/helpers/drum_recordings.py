"""Recordings of drums that a package carries, as a corpus of one folder a kind.

FoxDot (CC BY-SA 4.0, Ryan Kirkbride and contributors) has them for live coding. Some files are
equal, under names of their own.
"""

import shutil
from pathlib import Path

from tristream.config.sources import ArchiveSource
from tristream.fetch.archive import fetch_archive

FILES = {
    "hihat": {
        "_/colon": ["hh01.wav", "hh02.wav", "hh03.wav", "hh04.wav"],
        "_/equals": [f"{i}_hihat_open.wav" for i in (0, 1, 3, 9)],
        "_/hyphen": [f"{i}_hihat_closed.wav" for i in (0, 1, 2, 3, 4, 5, 9)],
        "n/lower": [f"Closedhat{i:02}.wav" for i in (2, 4, 5, 6, 8, 10)],
        "n/upper": [f"Openhat{i:02}.wav" for i in (1, 3, 8, 9, 10)],
    },
    "kick": {
        "a/upper": [f"{i}_dist_kick.wav" for i in (0, 1, 2)],
        "x/lower": [f"{i}_kick_drum.wav" for i in (0, 1, 3, 4, 5)],
        "x/upper": ["0_kick_drum.wav", "1_bass_drum.wav", "3_kick_drum_lo.wav", "4_deep_drum.wav"],
        "w/upper": [f"gb_kick {i}.wav" for i in (1, 3, 4)],
        "v/upper": [f"heavy {i}.wav" for i in (0, 1, 2, 3, 6)],
    },
    "snare": {
        "i/lower": [f"{i}_jungle_snare.wav" for i in (0, 1, 2, 3, 4, 6)],
        "i/upper": [f"{i}_rock_snare.wav" for i in (0, 1, 2, 3)],
        "o/lower": [f"{i}_snare_drum.wav" for i in (0, 1, 2, 3, 4)],
        "o/upper": [f"O ({i}).wav" for i in (1, 2, 4, 5, 6, 7, 8)],
        "u/lower": [f"soft_snare_{i}.wav" for i in range(5)],
    },
    "tabla": {
        "p/lower": [f"{i}_tabla.wav" for i in range(4)]
        + [f"{i}-tabla_te{what}.wav" for i, what in ((11, 1), (12, 2), (13, "_m"), (14, "_ne"))],
        "p/upper": [f"{i:02}-tabla_tas{i - 7}.wav" for i in (8, 9, 10)]
        + [f"{i}-tabla_tun{i - 14}.wav" for i in (15, 16, 17)],
    },
}
COPIES = 3
"""Files that are equal to another one in their folder."""


def corpus(cache: Path, folder: Path) -> Path:
    """Copy the recordings to ``folder/KIND/SET_NAME.wav``."""
    start = "FoxDot/snd"
    wanted = {
        f"{start}/{set_}/{name}": f"{kind}/{set_.replace('/', '_')}_{name}"
        for kind, sets in FILES.items()
        for set_, names in sets.items()
        for name in names
    }
    source = ArchiveSource(
        package="foxdot",
        version="0.9.0",
        sha256="f5d21aaab19c62965e5a5465ca646f1bd6274d16afd3392d7e652914194dffb1",
        members=list(wanted),
        licence="CC BY-SA 4.0",
    )
    root, _ = fetch_archive(source, cache)
    for member, name in wanted.items():
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(root / member, target)
    return folder
