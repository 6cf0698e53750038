"""``tristream contrast``: where the BOLD follows some conditions more than others."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_output, add_settings, add_stage, settings

EXAMPLES = """\
  tristream contrast fit --dataset localizer --contrast audio_video --subject 1 \\
      --inventory results/stimuli/localizer/inventory.tsv \\
      --bold results/bold/localizer/sub-1/part-*.h5 \\
      --output results/contrast/localizer/audio_video/sub-1.h5
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    what = "Contrasts between conditions of an experiment."
    parser = add_stage(stages, "contrast", what, EXAMPLES)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    fitted = actions.add_parser("fit", help="the t map of one contrast and subject")
    add_settings(fitted, "dataset", "contrast", "subject")
    fitted.add_argument("--inventory", required=True, type=Path, help="stimuli/D/inventory.tsv")
    fitted.add_argument("--bold", required=True, nargs="+", type=Path, help="the run files")
    add_output(fitted, "contrast/D/C/sub-S.h5")
    fitted.set_defaults(run=_fit)


def _fit(args: argparse.Namespace) -> None:
    from tristream.config.settings.contrast import ContrastSettings
    from tristream.contrast.contrast_fit import fit_contrast

    chosen = settings(args, ContrastSettings)
    fit_contrast(chosen, args.inventory, args.bold, args.output, args.code)
