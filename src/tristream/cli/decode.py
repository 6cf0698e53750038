"""``tristream decode``: which label was shown, from the brain."""

import argparse
from pathlib import Path
from typing import Any

from tristream.cli.common import add_output, add_settings, add_stage, add_target, settings

EXAMPLES = """\
  tristream decode fit --dataset haxby2001_slice --decoder ridge_volumes --subject 1 \\
      --bold results/bold/haxby2001_slice/sub-1/run-*.h5 \\
      --samples results/align/haxby2001_slice/sub-1_samples.tsv \\
      --output results/decode/haxby2001_slice/ridge_volumes/sub-1.h5
"""


def register(stages: Any) -> None:
    """Add the stage to the command line."""
    parser = add_stage(stages, "decode", "Decode the labels of an experiment.", EXAMPLES)
    actions = parser.add_subparsers(dest="action", required=True)
    fitted = actions.add_parser("fit", help="fit one decoder to one subject, with its null")
    add_settings(fitted, "dataset", "decoder")
    add_target(fitted, "subject")
    fitted.add_argument("--bold", required=True, nargs="+", type=Path, help="the run files")
    fitted.add_argument("--samples", required=True, type=Path, help="the sample index")
    add_output(fitted, "HDF5 file")
    fitted.set_defaults(run=fit)
    _register_across(actions)
    _register_profile(actions)
    _register_identify(actions)
    _register_network(actions)
    _register_univariate(actions)


def _register_across(actions: Any) -> None:
    others = actions.add_parser("across-subjects", help="each subject by what others' runs teach")
    add_settings(others, "dataset", "decoder")
    others.add_argument(
        "--bold", required=True, nargs="+", type=Path, help="the run files of all subjects"
    )
    others.add_argument(
        "--samples", required=True, nargs="+", type=Path, help="the sample index of each subject"
    )
    add_output(others, "HDF5 file")
    others.set_defaults(run=across_subjects)


def _register_profile(actions: Any) -> None:
    parts = actions.add_parser("profile", help="one decoder in spheres, regions or times")
    add_settings(parts, "dataset", "decoder", "parts")
    parts.add_argument("--bold", required=True, nargs="+", type=Path, help="the run files")
    parts.add_argument("--samples", required=True, type=Path, help="the sample index")
    parts.add_argument("--meshes", type=Path, help="receipt of the meshes of fsLR")
    add_output(parts, "HDF5 file")
    parts.set_defaults(run=profile)


def _register_identify(actions: Any) -> None:
    found = actions.add_parser("identify", help="decode features and identify what was seen")
    add_settings(found, "dataset", "identification")
    found.add_argument("--bold", required=True, nargs="+", type=Path, help="the run files")
    found.add_argument("--samples", required=True, type=Path, help="the sample index")
    for name in ("features", "aligned"):
        found.add_argument(
            f"--{name}", required=True, nargs="+", type=Path, help=f"{name} file of each layer"
        )
    found.add_argument(
        "--candidates", nargs="*", default=[], type=Path, help="own candidates of each layer"
    )
    add_output(found, "table")
    found.add_argument("--sets", required=True, type=Path, help="table of candidate sets to write")
    found.set_defaults(run=identify)


def _register_network(actions: Any) -> None:
    trained = actions.add_parser("network", help="train a network on brain and label together")
    add_settings(trained, "dataset", "network", "subject")
    trained.add_argument("--bold", required=True, nargs="+", type=Path, help="the run files")
    trained.add_argument("--samples", required=True, type=Path, help="the sample index")
    trained.add_argument("--inventory", required=True, type=Path, help="the dataset's events")
    trained.add_argument("--receipt", required=True, type=Path, help="receipt of the stimuli")
    add_output(trained, "HDF5 file")
    trained.set_defaults(run=network)


def _register_univariate(actions: Any) -> None:
    compared = actions.add_parser("univariate", help="two labels in every voxel of one subject")
    add_settings(compared, "dataset", "pair")
    compared.add_argument("--bold", required=True, nargs="+", type=Path, help="the run files")
    compared.add_argument("--samples", required=True, type=Path, help="the sample index")
    add_output(compared, "HDF5 file")
    compared.set_defaults(run=compare)


def fit(args: argparse.Namespace) -> None:
    """Fit, permute, write; print the accuracy."""
    from tristream.config.settings.decode import DecodeSettings
    from tristream.decode.decoding import fit as fit_decoder

    decoder = settings(args, DecodeSettings)
    found = fit_decoder(args.bold, args.samples, args.output, decoder, args.subject, args.code)
    p = f"no p value ({found.refusal})" if found.refusal else f"p = {found.p:.4f}"
    print(f"{decoder.decoder}: accuracy {found.accuracy:.3f}, {p}")


def across_subjects(args: argparse.Namespace) -> None:
    """Decode each subject by the others, write; print the accuracy in each."""
    from tristream.config.settings.across_subjects import AcrossSubjectsSettings
    from tristream.decode.across_subjects import fit as fit_across

    decoder = settings(args, AcrossSubjectsSettings)
    found = fit_across(args.bold, args.samples, args.output, decoder, args.code)
    p = f"no p value ({found.refusal})" if found.refusal else f"p = {found.p:.4f}"
    each = ", ".join(f"sub-{one.name} {one.accuracy:.3f}" for one in found.subjects)
    print(f"{decoder.decoder}: accuracy {found.accuracy:.3f} ({each}), {p}")


def profile(args: argparse.Namespace) -> None:
    """Decode from parts, write; print the best of them and how many pass."""
    from tristream.config.settings.profile import ProfileSettings
    from tristream.decode.profile_fit import fit as fit_profile

    chosen = settings(args, ProfileSettings)
    files = (args.bold, args.samples, args.output)
    found = fit_profile(*files, chosen, args.code, args.meshes)
    passed = f"no p value ({found.refusal})"
    if not found.refusal:
        passed = f"{int((found.p_fwe <= 0.05).sum())} of {len(found.names)} with corrected p <= .05"
    print(f"{chosen.decoder}, {found.over}: largest accuracy {found.accuracy.max():.3f}, {passed}")


def identify(args: argparse.Namespace) -> None:
    """Decode features, identify, write; print the figures of each layer and region."""
    from tristream.config.settings.identification import IdentificationSettings
    from tristream.decode.identification_fit import fit as fit_identification

    given = settings(args, IdentificationSettings)
    files = (args.bold, args.samples, args.features, args.aligned, args.candidates)
    outcome = fit_identification(*files, args.output, args.sets, given, args.code)
    for cell in outcome.cells:
        pairwise = cell.found.pairwise
        where = f"{cell.kind}, {cell.layer.space}/{cell.layer.layer}, {cell.region}"
        print(f"{where}: pairwise {pairwise.value:.3f} (chance {pairwise.chance:.3f})")


def network(args: argparse.Namespace) -> None:
    """Train in each regime, write; print brain and label of each."""
    from tristream.config.settings.networks import NetworkSettings
    from tristream.networks.regimes_fit import fit as fit_regimes

    chosen = settings(args, NetworkSettings)
    files = (args.bold, args.samples, args.inventory, args.receipt)
    found = fit_regimes(*files, args.output, chosen, args.code)
    for regime, row in found.summary.iterrows():
        print(
            f"{found.name}, {regime}: r {row['brain']:.3f} ± {row['brain_se']:.3f}, labels "
            f"{row['label']:.3f} ± {row['label_se']:.3f} (chance {found.chance:.3f})"
        )


def compare(args: argparse.Namespace) -> None:
    """Compare two labels in every voxel, write; print how many pass."""
    from tristream.config.settings.univariate import UnivariateSettings
    from tristream.decode.mass_univariate import fit as fit_univariate

    chosen = settings(args, UnivariateSettings)
    found = fit_univariate(args.bold, args.samples, args.output, chosen, args.code)
    passed = int((abs(found.log_p) > 1).sum())
    print(f"{chosen.pair}: {passed} of {len(found.t)} voxels with corrected p < .1")
