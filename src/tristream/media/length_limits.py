"""How long a film or sound may last: a few bytes of its clock can state years of one picture.

Features are computed and sound is held for as long as a file says that it lasts, so that its
clock is believed as far as pictures and sound were recorded, and not far beyond.
"""

import os
from pathlib import Path

from tristream.errors import UserError
from tristream.media.clocks import Clock

# A pause, or one picture, that lasts longer is a jump of the clock (s).
LONGEST_GAP = 3600.0
# Of a file that holds little more than pauses and pictures that stay; a slide show with a talk is
# recorded for as long as the talk (s).
LONGEST_HELD = 2 * 3600.0
# Nothing that is shown in a scanner is as long (hours); who has more writes how many hours into
# the environment variable.
LONGEST_FILE, LONGEST_FILE_VARIABLE = 24.0, "TRISTREAM_LONGEST_FILE"
# Rates at which sound is recorded, from telephones to hydrophones (Hz).
LOWEST_RATE, HIGHEST_RATE = 1000, 1_000_000


def check_clock(path: Path, name: str, clock: Clock) -> None:
    """Check that the clock of a picture or sound does not jump.

    Raises
    ------
    UserError
        Names from where to where it does.
    """
    for start, end in (*clock.gaps, clock.longest):
        if end - start > LONGEST_GAP:
            raise UserError(
                f"{path}: the time stamps of its {name} jump from {start:.1f} to {end:.1f} s; "
                "cut it there into two films, or have its times written anew"
            )


def check_length(path: Path, duration: float, picture: Clock, sound: Clock) -> None:
    """Check that a file was recorded for as long as it says that it lasts, within reason.

    Parameters
    ----------
    path : Path
    duration : float
        Seconds.
    picture, sound : Clock

    Raises
    ------
    UserError
        If the header states an hour more than there is, if little more than pauses and pictures
        that stay make up hours, or beyond `LONGEST_FILE`.
    """
    ends = max(picture.end, sound.end)
    if duration - ends > LONGEST_GAP:
        raise UserError(
            f"{path}: its header says {duration:.1f} s, but its content ends at {ends:.1f} s; "
            "`ffmpeg -i IN -c copy OUT` writes a true header"
        )
    recorded = max(picture.recorded, sound.recorded)
    if (held := duration - recorded) > max(LONGEST_HELD, recorded):
        raise UserError(
            f"{path}: lasts {duration:.1f} s, of which {held:.1f} s are pauses or pictures that "
            f"stay, and {recorded:.1f} s were recorded; have its times written anew, or cut it "
            f"into files with less than {LONGEST_HELD / 3600:g} hours of them"
        )
    hours = _longest_file()
    if duration > 3600 * hours:
        raise UserError(
            f"{path}: lasts {duration / 3600:.1f} hours, and {hours:g} is the most; cut it into "
            f"parts, or set the environment variable {LONGEST_FILE_VARIABLE} to more hours"
        )


def check_sound(path: Path, rate: int, channels: int) -> None:
    """Check that a sound has channels that can be read, and a rate at which sound is recorded.

    Raises
    ------
    UserError
        Names its rate, or that its channels can't be read.
    """
    if not channels:
        raise UserError(
            f"{path}: its sound states a number of channels that can't be read; write it again "
            "with one or two"
        )
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UserError(
            f"{path}: its sound states {rate} samples a second, and {LOWEST_RATE} to "
            f"{HIGHEST_RATE} are read; write it again with its true rate"
        )


def _longest_file() -> float:
    text = os.environ.get(LONGEST_FILE_VARIABLE, str(LONGEST_FILE))
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not hours > 0:
        raise UserError(
            f"the environment variable {LONGEST_FILE_VARIABLE} is {text!r}; give a number of hours"
        )
    return hours
