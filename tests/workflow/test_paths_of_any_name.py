"""Folders of any name: what rules hand to the shell is quoted."""

import re
import shlex

from helpers.small_study import REPO, edit, snakemake, write

NAME = "my résults & it's $HOME; `x`"


def test_commands_are_those_of_a_plain_name(tmp_path, cache):
    """Split as the shell does, and with the name put back."""
    found = []
    for name in ("results", NAME):
        folder = write(tmp_path / name, cache)
        edit(folder / "config.yaml", lambda c, name=name: c.update(results=name))
        printed = snakemake(folder, "--dry-run", "--printshellcmds")
        lines = re.findall(r"^Shell command: (.*)$", printed, flags=re.MULTILINE)
        # Settings are named by a hash of their content, in which the name stands.
        words = [re.sub(r"-[0-9a-f]{16}(?=\.json)", "", line) for line in lines]
        split = [shlex.split(line.replace("2>&1", "")) for line in words]
        found.append(sorted([re.sub(re.escape(NAME), "results", w) for w in one] for one in split))
    assert len(found[0]) > 20
    assert found[0] == found[1]


def test_every_path_in_a_rule_is_quoted():
    """Also in rules of which the two studies have no job."""
    text = "\n".join(p.read_text() for p in sorted((REPO / "workflow/rules").glob("*.smk")))
    shells = re.findall(r'shell:\n((?:\s+".*"\n)+)', text)
    assert len(shells) > 30
    words = re.findall(r"\{(\w+)(?:\.(\w+))?(:q)?\}", "".join(shells))
    files = [one for one in words if one[0] in ("input", "output", "log")]
    assert len(files) > 100
    assert [one for one in files if not one[2]] == []


def test_a_study_runs_in_such_a_folder(tmp_path, cache):
    folder = write(tmp_path / "it's a stüdy", cache)
    edit(folder / "config.yaml", lambda c: c.update(results=NAME))
    target = f"{NAME}/stimuli/tiny/leakage.tsv"
    snakemake(folder, target)
    assert (folder / target).is_file()
    assert sorted(p.name for p in folder.iterdir() if p.name.startswith("my")) == [NAME]
