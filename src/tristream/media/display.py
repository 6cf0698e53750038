"""How the picture of a film is to be shown: upright, with square pixels; refused where unclear."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from av.video.reformatter import ColorTrc
from numpy.typing import NDArray

from tristream.errors import UserError

HDR = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
TONEMAP = "zscale=t=linear:npl=100,tonemap=hable,zscale=p=bt709:t=bt709:m=bt709:r=tv,format=yuv420p"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Display:
    """What is done with the pixels of a film before anyone sees them.

    Attributes
    ----------
    transposed : bool
        Whether rows become columns; before the flips.
    upside_down, mirrored : bool
        Whether rows, and columns, are reversed.
    aspect : float
        Width of a pixel over its height.
    """

    transposed: bool = False
    upside_down: bool = False
    mirrored: bool = False
    aspect: float = 1.0

    @property
    def rotation(self) -> str:
        """In words; empty where nothing is turned."""
        if not (self.transposed or self.upside_down or self.mirrored):
            return ""
        if not self.transposed:
            both = self.upside_down and self.mirrored
            return "180°" if both else "upside down" if self.upside_down else "mirrored"
        if self.upside_down != self.mirrored:
            return "90° anticlockwise" if self.upside_down else "90° clockwise"
        return "mirrored, 90°"

    def shown(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the picture as it is shown."""
        width = round(width * self.aspect)
        return (height, width) if self.transposed else (width, height)

    def stored(self, width: int, height: int) -> tuple[int, int]:
        """Width and height in the file's orientation of a picture that is shown at this size."""
        return (height, width) if self.transposed else (width, height)

    def __call__(self, pixels: Pixels) -> Pixels:
        """Turn a picture, (height, width) or (height, width, 3), as it is shown."""
        if self.transposed:
            pixels = pixels.swapaxes(0, 1)
        if self.upside_down:
            pixels = pixels[::-1]
        return np.ascontiguousarray(pixels[:, ::-1] if self.mirrored else pixels)


def display_of(frame: Any, aspect: float, path: Path) -> Display:
    """How a film's pictures are shown, from one of them.

    Parameters
    ----------
    frame : av.VideoFrame
    aspect : float
        Width of a pixel over its height.
    path : Path
        For messages.

    Raises
    ------
    UserError
        If it is turned by another angle than quarters, HDR, or interlaced.
    """
    check_shown(frame, path)
    if frame.color_trc in HDR:
        raise UserError(
            f"{path}: is HDR ({HDR[frame.color_trc]}), and brightness and colours of SDR are not "
            f"in the file; `ffmpeg -i IN -vf {TONEMAP} -c:a copy OUT.mp4` makes them"
        )
    data = next((d for d in frame.side_data if d.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return Display(aspect=aspect)
    # A pixel at (x, y) is shown at (a x + c y, b x + d y).
    (a, b), (c, d) = np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2] / 2**16
    if (a or d) and (b or c):
        raise UserError(
            f"{path}: is to be shown turned by {abs(frame.rotation):.0f} degrees; turn it yourself "
            "(`ffmpeg -noautorotate -i IN -vf rotate=… OUT.mp4`)"
        )
    if b or c:
        return Display(True, upside_down=bool(b < 0), mirrored=bool(c < 0), aspect=aspect)
    return Display(False, upside_down=bool(d < 0), mirrored=bool(a < 0), aspect=aspect)


def check_shown(frame: Any, path: Path) -> None:
    """Refuse interlaced pictures, which hold halves of two moments.

    Raises
    ------
    UserError
        With the command that makes them whole.
    """
    if frame.interlaced_frame:
        raise UserError(
            f"{path}: is interlaced: a frame holds lines of two moments; "
            "`ffmpeg -i IN -vf bwdif=mode=send_frame -c:a copy OUT.mp4` makes whole frames"
        )
