"""Text and JSON of a simulated dataset; they have no provenance, as they look like real ones."""

import json
from pathlib import Path
from typing import Any


def save_text(path: Path, text: str) -> None:
    """Write a text file, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def save_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file, and its folder."""
    save_text(path, json.dumps(content, indent=2) + "\n")
