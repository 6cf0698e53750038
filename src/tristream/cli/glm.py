"""``tristream glm``: where the BOLD follows some conditions more than others."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_config, add_output, add_stage, add_target, dataset_of, study
from tristream.errors import UserError

EXAMPLES = """\
  tristream glm contrast --dataset localizer --contrast audio_video --subject 1 \\
      --inventory results/stimuli/localizer/inventory.tsv \\
      --bold results/bold/localizer/sub-1/part-*.h5 \\
      --output results/contrasts/localizer/audio_video/sub-1.h5
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    parser = add_stage(stages, "glm", "Contrasts between conditions of an experiment.", EXAMPLES)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    fitted = actions.add_parser("contrast", help="the t map of one contrast and subject")
    add_config(fitted)
    add_target(fitted, "dataset", "contrast", "subject")
    fitted.add_argument("--inventory", required=True, type=Path, help="stimuli/D/inventory.tsv")
    fitted.add_argument("--bold", required=True, nargs="+", type=Path, help="the run files")
    add_output(fitted, "contrasts/D/C/sub-S.h5")
    fitted.set_defaults(run=_contrast)


def _contrast(args: argparse.Namespace) -> None:
    from tristream.glm.contrast import write_contrast

    dataset, blocks = dataset_of(args), study(args).study.contrasts
    if args.contrast not in blocks:
        known = ", ".join(blocks) or "none"
        raise UserError(f"{args.config}: contrasts: no {args.contrast!r}; there are {known}")
    write_contrast(
        dataset,
        args.subject,
        args.contrast,
        blocks[args.contrast],
        args.inventory,
        args.bold,
        args.output,
        args.code,
    )
