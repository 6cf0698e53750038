"""No text from a dataset reaches outside the dataset."""

import pytest

from tristream.errors import UserError
from tristream.paths import inside, resolve_inside


@pytest.mark.parametrize("text", ["../x", "/etc/passwd", "a/../../x", "", "a\0b", "..\\x"])
def test_what_leaves_is_refused(tmp_path, text):
    with pytest.raises(UserError):
        inside(tmp_path, text)


def test_what_stays_is_joined(tmp_path):
    assert inside(tmp_path, "sub-01/func/x.nii.gz") == tmp_path / "sub-01/func/x.nii.gz"


def test_links_may_point_inside_only(tmp_path):
    root = tmp_path / "root"
    (root / "annex").mkdir(parents=True)
    (root / "annex/key").write_text("x")
    (root / "good").symlink_to("annex/key")
    (root / "bad").symlink_to("../secret")
    assert resolve_inside(root, "good") == (root / "annex/key").resolve()
    with pytest.raises(UserError, match="link"):
        resolve_inside(root, "bad")
