"""Read images as they are seen."""

import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tristream.errors import UserError

# Readers of images that read one file and nothing else.
IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM")
# What shows through transparent pixels: mid-grey, as between stimuli in most experiments.
BACKGROUND = 128
# What Pillow raises for files that are cut, changed, or larger than 90 million pixels.
DAMAGED = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, MemoryError),
    *(Image.DecompressionBombWarning, Image.DecompressionBombError),
)

Pixels = NDArray[np.uint8]


def read_image(path: Path | str) -> Pixels:
    """Read an image as it is seen: upright, in RGB, transparent pixels over mid-grey.

    Images of 16 bits a channel are scaled to 8, palettes and CMYK are converted (without colour
    management), EXIF orientation is applied.

    Parameters
    ----------
    path : Path
        PNG, JPEG, BMP, TIFF, GIF, WebP or PNM.

    Returns
    -------
    ndarray of uint8, (height, width, 3)

    Raises
    ------
    UserError
        If the file is missing, damaged, of another format, an animation, or of pixels of floating
        point or 32 bits, whose range is unknown.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; fetch the stimuli first")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=IMAGE_FORMATS) as image:
                if getattr(image, "is_animated", False) and image.format != "MPO":
                    raise UserError(f"{path}: holds several pictures; give a film, or one picture")
                image.load()
                return _rgb(ImageOps.exif_transpose(image), path, str(image.format))
    except DAMAGED as error:
        reason = " ".join(str(error).replace(str(path), "it").split())[:120]
        raise UserError(
            f"{path}: can't be read as an image ({reason}); fetch it again or save it as PNG"
        ) from None


def _rgb(image: Image.Image, path: Path, kind: str) -> Pixels:
    if image.mode == "F":
        raise UserError(
            f"{path}: has floating-point pixels, whose range is unknown; save it as PNG"
        )
    if image.mode == "I" and kind not in ("PNG", "PPM"):
        raise UserError(
            f"{path}: has pixels of 32 bits, whose range is unknown; save it as PNG of 8 or 16 bits"
        )
    if image.mode.startswith("I"):
        # Grey of 16 bits: Pillow's own conversion clips it at 255.
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise UserError(f"{path}: has pixels beyond 16 bits; save it as PNG of 8 or 16 bits")
        return np.repeat((grey / 257).round().astype(np.uint8)[..., None], 3, axis=2)
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"), np.uint8)
    picture = image.convert("RGBA")
    ground = Image.new("RGBA", picture.size, (BACKGROUND, BACKGROUND, BACKGROUND, 255))
    return np.asarray(Image.alpha_composite(ground, picture).convert("RGB"), np.uint8)
