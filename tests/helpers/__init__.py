"""What tests share: small studies, films, sounds, datasets."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
