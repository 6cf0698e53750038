"""``tristream config``: check a study, write out what may stand in one."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_config, add_stage, study

EXAMPLES = """\
  tristream config check --config mine.yaml
  tristream config reference        # writes docs/config.md, docs/paths.md, workflow/schemas/*.json
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    parser = add_stage(stages, "config", "Check a study; write its reference.", EXAMPLES)
    actions = parser.add_subparsers(dest="action", required=True)
    checked = actions.add_parser("check", help="validate a study and its dataset descriptors")
    add_config(checked)
    checked.set_defaults(run=check)
    reference = actions.add_parser(
        "reference", help="write config.md and paths.md of docs/, and the schemas"
    )
    reference.add_argument("--root", default=".", help="root of the repository")
    reference.set_defaults(run=write_reference)


def check(args: argparse.Namespace) -> None:
    """Validate, with the events that are here, and say what was found."""
    from tristream.features.core.checked_space import check as check_space
    from tristream.stimuli.events_at_hand import check_events, known_later

    resolved = study(args)
    for name, space in resolved.study.features.items():
        check_space(name, space)
    later = [
        line
        for name in resolved.datasets
        for line in known_later(resolved, name, check_events(resolved, name))
    ]
    for name, subjects in resolved.subjects.items():
        print(f"{name}: {len(subjects)} subjects, {len(resolved.datasets[name].runs)} runs")
    counts = (
        f"{len(getattr(resolved.study, part))} {part}"
        for part in ("features", "models", "decoders", "identification", "rsa", "contrasts")
    )
    print(", ".join(counts))
    for line in later:
        print(f"not known yet: {line}")


def write_reference(args: argparse.Namespace) -> None:
    """Write the generated files."""
    from tristream import results
    from tristream.config.reference import ROOTS, markdown, schema

    root = Path(args.root)
    (root / "docs/config.md").write_text(markdown(), encoding="utf-8")
    (root / "docs/paths.md").write_text(results.markdown(), encoding="utf-8")
    for name in ROOTS:
        (root / f"workflow/schemas/{name}.schema.json").write_text(schema(name), encoding="utf-8")
