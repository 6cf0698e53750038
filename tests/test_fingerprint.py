"""Fingerprints: code changes them, comments and docstrings do not."""

from tristream.fingerprint import fingerprint

CODE = '"""Doc."""\n\n\ndef f(x):\n    """Say."""\n    return x + 1\n'


def of(tmp_path, code):
    path = tmp_path / "x.py"
    path.write_text(code)
    fingerprint.cache_clear()
    return fingerprint(str(path))


def test_comments_and_docstrings_change_nothing(tmp_path):
    first = of(tmp_path, CODE)
    assert of(tmp_path, "# a comment\n" + CODE.replace("Say", "Tell").replace("Doc", "D")) == first
    assert of(tmp_path, CODE.replace("+ 1", "+ 2")) != first


def test_modules_of_the_same_stage_count_and_others_do_not():
    fingerprint.cache_clear()
    assert fingerprint("tristream.config.load") != fingerprint("tristream.config.base")
    # study imports base; both belong to config.
    alone = fingerprint("tristream.config.base")
    both = fingerprint("tristream.config.base", "tristream.config.study")
    assert alone != both
    assert len(alone) == 12
