"""What a file is by its suffix: film, sound or image."""

from typing import Literal

Kind = Literal["film", "sound", "image"]
SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "film": (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv"),
    "sound": (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".aac", ".aif", ".aiff"),
    "image": (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".gif", ".webp"),
}
MEDIA_SUFFIXES = {suffix: kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes}
