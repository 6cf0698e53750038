"""Every kind of source tells how its files were obtained."""

from pathlib import Path

from tristream.config.sources import ArchiveSource, DataladSource, FolderSource
from tristream.fetch.sources import open_origin

COMMIT = "0123456789abcdef" * 2


def test_methods_name_what_pins_the_files(tmp_path: Path) -> None:
    url = "https://github.com/OpenNeuroDatasets/ds000105"
    archive = {"package": "pack", "version": "1.2", "sha256": "0" * 64, "members": ["a"]}
    for source, words in (
        (DataladSource(url=url, commit="1.0.0"), f"{url} at commit {COMMIT[:12]}; annexed files"),
        (DataladSource(url=str(tmp_path), commit="1.0.0"), "a local repository at commit"),
        (ArchiveSource(**archive), "the source archive of pack 1.2 on the Python package index"),
        (ArchiveSource(**archive, form="wheel"), "the wheel of pack 1.2"),
        (FolderSource(path=str(tmp_path)), "a local folder, which no version pins"),
    ):
        (text,) = open_origin(source, "name", tmp_path).methods("Data were", COMMIT)
        assert text.startswith("Data were ")
        assert words in text
        assert str(tmp_path) not in text
