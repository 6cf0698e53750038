# What all rules share: the checked study, where files lie, what a rule is rerun for.

import sys
import tomllib
from functools import lru_cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

HOME = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).parents[1]

try:
    import tristream
    from tristream.bold.registration.antspy_extra import require
    from tristream.config.load import resolve
    from tristream.demands.job_demands import Demands
    from tristream.errors import UserError
    from tristream.features.core.checked_space import check
    from tristream.fingerprint import fingerprint
    from tristream.results import Layout
    from tristream.targets import Targets
except ModuleNotFoundError as error:
    raise WorkflowError(
        f"{error}: the workflow needs its package in this environment; "
        f"run: {sys.executable} -m pip install '{HOME}[workflow]'"
    ) from None

# Of a workflow without its package beside it, the version is not known.
if (HOME / "pyproject.toml").is_file():
    project = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))
    expected = project["project"]["version"]
    if tristream.__version__ != expected:
        raise WorkflowError(
            f"tristream {tristream.__version__} is installed, this workflow belongs to {expected}; "
            f"run: {sys.executable} -m pip install '{HOME}[workflow]'"
        )

# Descriptors of the user's own folder go before those that ship with the workflow.
DESCRIPTORS = [Path("workflow/datasets"), HOME / "workflow/datasets"]
CONFIGFILES = [*workflow.overwrite_configfiles, *workflow.configfiles, "config.yaml"]

try:
    RESOLVED = resolve(config, Path(CONFIGFILES[0]), DESCRIPTORS)
    SPACES = {
        name: check(name, space, CONFIGFILES[0], RESOLVED.study.data)
        for name, space in RESOLVED.study.features.items()
    }
    LAYERS = {name: space.layers for name, space in SPACES.items()}
    LAYERS |= {name: space.layers for name, space in RESOLVED.study.fusion.items()}
    TARGETS = Targets(RESOLVED, LAYERS, str(CONFIGFILES[0]))
    for space in SPACES.values():
        space.own_files  # refuses a file of the user's that is missing
    for name, descriptor in RESOLVED.datasets.items():
        if descriptor.layout.kind == "raw":
            require(name)
except UserError as error:
    raise WorkflowError(str(error)) from None

STUDY = RESOLVED.study
LAYOUT = Layout(STUDY.results)
at = LAYOUT.pattern


wildcard_constraints:
    dataset="|".join(RESOLVED.datasets) or "none",
    subject="[A-Za-z0-9]+",
    run="[A-Za-z0-9_-]+",
    space="|".join(STUDY.features) or "none",
    fused="|".join(STUDY.fusion) or "none",
    layer="[A-Za-z0-9_]+",
    model="|".join(STUDY.models) or "none",
    band="[A-Za-z0-9_-]+",
    first="|".join(STUDY.models) or "none",
    second="|".join(STUDY.models) or "none",
    decoder="|".join(STUDY.decoders) or "none",
    identification="|".join(STUDY.identification) or "none",
    network="|".join(STUDY.networks) or "none",
    pair="|".join(STUDY.univariate) or "none",
    rsa="|".join(STUDY.rsa) or "none",
    contrast="|".join(STUDY.contrasts) or "none",
    power="|".join(STUDY.power) or "none",
    timeline="[A-Za-z0-9_]+",
    preset="[A-Za-z0-9_]+",


def one_of(names):
    """A pattern of some names, which matches nothing where there is none."""
    return "|".join(names) or "none"


def write_settings(settings):
    """What a job may know of the study, as the file that it reads; a change reruns the rule."""
    return settings.write(LAYOUT.settings)


def stop(why):
    """End with one line: an exception in a rule's function is shown with where it was raised."""
    logger.error(str(why))
    raise SystemExit(1)


@lru_cache(None)
def settings(kind, **targets):
    """The file of settings of this kind, picked from the study."""
    try:
        return write_settings(kind.of(RESOLVED, **targets))
    except UserError as error:
        stop(error)


DEMANDS = Demands(RESOLVED, LAYERS)


def memory(place, **targets):
    """MB for the job that writes a place, from sizes; more with each try."""
    return lambda wildcards, attempt: DEMANDS.memory(
        place, targets or dict(wildcards), attempt
    )


def threads(place):
    """Threads for the job that writes a place, from sizes."""
    return lambda wildcards: DEMANDS.threads(place, dict(wildcards))


def minutes(place, **targets):
    """Minutes for the job that writes a place, from sizes; more with each try."""
    return lambda wildcards, attempt: DEMANDS.minutes(
        place, targets or dict(wildcards), attempt
    )
