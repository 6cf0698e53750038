"""The one exception whose message is meant for the person at the terminal."""

import re

# ``https://user:password@host``: up to the last @ before a slash or blank. A quote ends it where
# text goes on after it that is not of an address.
_USER = re.compile(r"(:(?:\\*/){2})(?:[^/\s\"'<>]|[\"'](?![\s,;:.)\]}>]))+@")
# ``?token=…`` of addresses that are signed; the short names count whole.
_TOKEN = re.compile(
    r"([?&;#](?:[\w.%-]*(?:token|secret|password|passwd|signature|sig|credential|key|auth)[\w.%-]*"
    r"|pat|pwd|jwt|code|access)(?:=|%3D))[^&;\s\"'<>)]+",
    re.IGNORECASE,
)
# Headers of HTTP that programs print, as ``Authorization: Bearer …``.
_HEADER = re.compile(
    r"(\bAuthorization[\"']?\s*[:=]\s*[\"']?(?:Bearer|Basic|Token|Digest|Negotiate)\s+"
    r"|\b(?:Private-Token|X-Api-Key|X-Auth-Token)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;<>]+",
    re.IGNORECASE,
)
# ``password="…"``; ``PWD`` is the working folder.
_PASSWORD = re.compile(
    r"(\bpass(?:word|wd|phrase)[\"']?\s*[:=]\s*)([\"'])(?:(?!\2).)+\2"
    r"|(\bpass(?:word|wd|phrase)=)[^\s\"'&;,<>)]+",
    re.IGNORECASE,
)
# Tokens whose shape tells what they are: GitHub, Hugging Face, GitLab, PyPI, Slack, Amazon, JWT.
_KNOWN = re.compile(
    r"\b(?:gh[opsur]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|hf_[A-Za-z0-9]{20,}|glpat-[\w-]{20,}"
    r"|pypi-AgE[\w-]{20,}|xox[abeprs]-[\w-]{10,}|A(?:KI|SI)A[A-Z0-9]{16}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+)(?![\w-])"
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
    """`text` without the passwords and tokens of the addresses, headers and settings in it."""
    text = _TOKEN.sub(r"\1***", _USER.sub(r"\1***@", text))
    text = _PASSWORD.sub(r"\1\2\3***\2", _HEADER.sub(r"\1***", text))
    return _KNOWN.sub("***", text)
