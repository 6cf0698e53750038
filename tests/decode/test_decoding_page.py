"""The examples of docs/decoding.md do what the page says of them."""

import re
from typing import Any

from helpers import REPOSITORY

PAGE = REPOSITORY / "docs/decoding.md"


def test_the_examples_identify_and_the_gate_stays_shut():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec("\n".join(blocks), names)
    found = names["found"]
    assert found.candidates == 520
    assert found.pairwise.p < 0.001
    assert found.pairwise.value > 0.8
    assert found.ways[2].chance > found.ways[10].chance > found.ways[100].chance
    assert names["within_runs"].pairwise.p < 0.001
    assert names["mean_profile"].value > 0.3
    assert len(names["profile"]) == 60
    assert not names["gate"].passed
    report = names["report"]
    assert report.category is None
    assert abs(report.drawn.pairwise - 0.5) < 0.1
