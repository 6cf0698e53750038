"""The example of docs/rsa.md does what the page says of it."""

import re
from typing import Any

import numpy as np

from helpers import REPOSITORY

NAME = "docs/rsa.md"
PAGE = REPOSITORY / NAME


def test_the_example_runs():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    found = names["found"]
    assert found.value.argmax(0).tolist() == [0, 1]
    assert (np.diagonal(found.p_corrected) < 0.05).all()
    assert (found.ceiling.low <= found.ceiling.high).all()
