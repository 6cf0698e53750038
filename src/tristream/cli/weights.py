"""``tristream weights``: bring pretrained networks where there is a network; jobs need none."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_config, add_stage, study

EXAMPLES = """\
  tristream weights fetch
  tristream weights fetch --config mine.yaml --space dinov2 clip
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    stage = add_stage(stages, "weights", "Pretrained networks of the feature spaces.", EXAMPLES)
    actions = stage.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    help = "Bring the weights of a study's feature spaces, on a machine with a network."
    fetch = actions.add_parser("fetch", help=help, description=help)
    add_config(fetch)
    fetch.add_argument("--space", nargs="+", help="feature spaces (default: all of the study)")
    fetch.set_defaults(run=run_fetch)


def run_fetch(args: argparse.Namespace) -> None:
    """Fetch what is missing and verify what is there."""
    from tristream.config.sources import ArchiveSource, HubSource
    from tristream.errors import UserError
    from tristream.features.core.checked_space import weights_of
    from tristream.fetch.steps import fetch_weights

    config = study(args).study
    unknown = sorted(set(args.space or []) - set(config.features))
    if unknown:
        raise UserError(
            f"{args.config}: features: no space {', '.join(unknown)} among "
            f"{', '.join(config.features)}"
        )
    for space in args.space or config.features:
        source = weights_of(space, config.features[space], args.config)
        if not isinstance(source, ArchiveSource | HubSource):
            continue
        receipt = fetch_weights(space, source, Path(config.data))
        size = sum(file.size or 0 for file in receipt.files)
        print(f"{space}: {receipt.name} ({size / 1e6:.0f} MB) in {receipt.root}")
