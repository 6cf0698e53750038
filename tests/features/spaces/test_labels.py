"""One column a label."""

import numpy as np

from tristream.features.core import registry


def test_identity() -> None:
    found = registry.get("labels")
    items = found(["house", "cat", "face"], ("identity",), found.options())["identity"]
    np.testing.assert_array_equal(items.values, np.eye(3))
    assert items.names == ["house", "cat", "face"]
