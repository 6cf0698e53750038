"""The example of docs/encoding.md does what the page says of it."""

import re

import numpy as np
import pytest

from helpers import REPOSITORY

PAGE = REPOSITORY / "docs/encoding.md"


@pytest.mark.filterwarnings("ignore::tristream.encode.estimators.GridEdgeWarning")
def test_the_example_runs_as_it_stands():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    seen: dict = {}
    exec(compile(code, str(PAGE), "exec"), seen)
    model = seen["model"]
    assert seen["score"] > 0.3
    assert np.mean(seen["weight_of_vision"]) > 0.7
    assert model.alpha_.shape == model.cv_.shape == (50,)
    assert model.gamma_.sum(0) == pytest.approx(1)
