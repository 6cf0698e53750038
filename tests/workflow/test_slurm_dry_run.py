"""What a Slurm cluster would be asked for: one GPU job a feature space, whatever its layers."""

import re
from collections import Counter

from helpers.slurm_cluster import profile
from helpers.small_study import REPO, snakemake, write

LAYERS = ["blocks2", "blocks6", "blocks12", "head"]


def five_spaces(config):
    spaces = {
        f"net{n}": {
            "stream": "ventral",
            "extractor": "efficientnet_lite0",
            "layers": LAYERS,
            "options": {"fps": n},
        }
        for n in range(1, 6)
    }
    config["device"] = "cuda"
    config["features"] |= spaces
    config["models"]["streams"]["bands"] = {name: [name] for name in spaces}


def test_five_spaces_of_four_layers_are_five_gpu_jobs(tmp_path, cache):
    folder = write(tmp_path / "study", cache, five_spaces)
    edited = str(profile(tmp_path / "profile", "slurm"))
    printed = snakemake(folder, "--dry-run", "--profile", edited)
    jobs = re.findall(r"^rule (\w+):\n((?:    .*\n)+)", printed, flags=re.MULTILINE)
    assert jobs, printed
    on_gpu = Counter(rule for rule, text in jobs if re.search(r"resources:.*\bgpu=1\b", text))
    spaces = {rule: n for rule, n in on_gpu.items() if rule.startswith("features_tiny_net")}
    assert spaces == {f"features_tiny_net{n}": 1 for n in range(1, 6)}
    outputs = [text for rule, text in jobs if rule == "features_tiny_net1"]
    assert all(f"net1/{layer}.h5" in outputs[0] for layer in LAYERS)


def test_whatever_fetches_runs_where_snakemake_runs():
    """A dry run does not show it: Snakemake decides on it when it runs."""
    text = "\n".join(p.read_text() for p in sorted((REPO / "workflow/rules").glob("*.smk")))
    named = re.findall(r"^localrules:\n((?:    \w+,\n)+)", text, flags=re.MULTILINE)
    local = {name for block in named for name in re.findall(r"\w+", block)}
    fetching = set(re.findall(r"^rule (fetch_\w+):", text, flags=re.MULTILINE))
    assert len(fetching) > 5
    assert fetching | {"drop", "check", "timing"} == local
