"""The one exception whose message is meant for the person at the terminal."""

import re

# ``https://user:password@host``, and ``?token=…`` of addresses that are signed.
_USER = re.compile(r"(?<=://)[^/@\s\"'<>]+@")
_TOKEN = re.compile(
    r"([?&;][\w.%-]*(?:token|secret|password|passwd|signature|sig|credential|key|auth)[\w.%-]*=)"
    r"[^&;\s\"'<>)]+",
    re.IGNORECASE,
)
# What moves the cursor or colours a terminal, and what turns the direction of text.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class UserError(Exception):
    """Bad input: the message names the file, what is wrong and what to do.

    The command line prints it as one line and exits with status 2; nothing else in the
    package catches it. Names of files and words of other programs are in it: secrets of addresses
    are masked, and what a terminal would obey is written out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_CONTROL.sub(lambda found: repr(found[0])[1:-1], masked(message)))


def masked(text: str) -> str:
    """`text` without the passwords and tokens of the addresses in it."""
    return _TOKEN.sub(r"\1***", _USER.sub("***@", text))
