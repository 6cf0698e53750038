"""The examples of docs/decoding.md do what the page says of them."""

import re
from typing import Any

from helpers import REPOSITORY

PAGE = REPOSITORY / "docs/decoding.md"


def test_the_examples_run_as_they_stand():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec("\n".join(blocks), names)
    found = names["found"]
    assert found.candidates == 520
    assert found.pairwise.p < 0.001
    assert found.pairwise.value > 0.8
    assert found.ways[2].chance > found.ways[10].chance > found.ways[100].chance
    assert names["within_runs"].pairwise.p < 0.001
    assert names["in_turn"].pairwise.p is None
    assert names["in_turn"].candidates == 10
    assert names["best_of_both"].shape == (20, 60)
    assert names["taken"].shape == (60,)
    assert (names["taken"] == (names["scores"][1] > names["scores"][0])).all()
    assert names["mean_profile"].value > 0.3
    assert len(names["profile"]) == 60
    assert not names["gate"].passed
    report = names["report"]
    assert report.category is None
    assert abs(report.drawn.pairwise - 0.5) < 0.1
    assert names["accuracy"] > 0.6
    assert names["chance"] < 0.5
    assert names["across"].p == 1 / 20
    assert names["low"] < names["accuracy"] < names["high"]
    assert names["by_region"].p_fwe[0] == names["times"].p_fwe[1] == 1 / 20
    assert names["times"].p_fwe[0] > 0.05
    assert names["spheres"].accuracy.argmax() < 20
    assert abs(names["signed"][:10]).max() > abs(names["signed"][10:]).max()
