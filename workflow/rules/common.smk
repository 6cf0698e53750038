# What all rules share: the checked study, where files lie, what a rule is rerun for.

import json
import sys
import tomllib
from functools import lru_cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

HOME = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).parents[1]

try:
    import tristream
    from tristream.bold.registration.antspy_extra import require
    from tristream.config.load import resolve
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
        space.own_files
    for name, descriptor in RESOLVED.datasets.items():
        if descriptor.layout.kind == "raw":
            require(name)
except UserError as error:
    raise WorkflowError(str(error)) from None

STUDY = RESOLVED.study
R = STUDY.results
LAYOUT = Layout(R)
at = LAYOUT.pattern


wildcard_constraints:
    dataset="|".join(RESOLVED.datasets) or "none",
    subject="[A-Za-z0-9]+",
    run="[A-Za-z0-9_-]+",
    space="|".join(STUDY.features) or "none",
    fused="|".join(STUDY.fusion) or "none",
    layer="[A-Za-z0-9_]+",
    model="|".join(STUDY.models) or "none",
    first="|".join(STUDY.models) or "none",
    second="|".join(STUDY.models) or "none",
    decoder="|".join(STUDY.decoders) or "none",
    contrast="|".join(STUDY.contrasts) or "none",
    power="|".join(STUDY.power) or "none",
    timeline="[A-Za-z0-9_]+",
    preset="[A-Za-z0-9_]+",


def bold_files(dataset, subject):
    return TARGETS.runs(dataset, subject)


def spaces_of(name):
    return TARGETS.layers_of_model(name)


def spaces_in(dataset):
    return TARGETS.layers_in(dataset)


def aligned_file(dataset, subject, space, layer):
    return TARGETS.aligned(dataset, subject, [(space, layer)])[0]


def fused_parents(dataset, space):
    """Feature files of the parents of a derived space."""
    return [
        str(LAYOUT.path("features", dataset=dataset, space=parent, layer=layer))
        for parent, layer in TARGETS.parents(space)
    ]


def per_subject(dataset, pattern):
    return [
        pattern.format(R=R, dataset=dataset, subject=s)
        for s in RESOLVED.subjects[dataset]
    ]


def write_settings(settings):
    """What a job may know of the study, as the file that it reads; a change reruns the rule."""
    return settings.write(f"{R}/.settings")


@lru_cache(None)
def settings(kind, **targets):
    """The file of settings of this kind, picked from the study."""
    try:
        return write_settings(kind.of(RESOLVED, **targets))
    except UserError as error:
        raise WorkflowError(str(error)) from None


def dump(section):
    """A part of the configuration as text for `params`: a change of it reruns the rule."""
    return json.dumps(section.model_dump(mode="json"), sort_keys=True)


def dump_trials(descriptor):
    """How trials are estimated, and from which events; empty where rows are volumes."""
    if descriptor.trials is None:
        return ""
    return dump(descriptor.trials) + dump(descriptor.events)


def is_simulated(dataset):
    return RESOLVED.datasets[dataset].source.kind == "simulate"


def encodings_of(wildcards):
    return [
        f"{R}/encode/{wildcards.dataset}/{name}/sub-{subject}.h5"
        for name, model in STUDY.models.items()
        if wildcards.dataset in model.datasets
        for subject in RESOLVED.subjects[wildcards.dataset]
    ]


def inference_keys(*keys):
    """Some keys of `inference` as text for `params`."""
    said = STUDY.inference.model_dump(mode="json")
    return json.dumps({key: said[key] for key in keys}, sort_keys=True)


def regions_of(wildcards):
    """The atlas, for a dataset whose volumes are in MNI space."""
    wanted = RESOLVED.needs_regions(wildcards.dataset)
    return f"{R}/inference/regions.h5" if wanted else []


def regions_option(wildcards):
    file = regions_of(wildcards)
    return f"--regions {file}" if file else ""


def meshes_of(wildcards):
    """The meshes of fsLR, for a dataset whose BOLD lies on them."""
    wanted = RESOLVED.needs_meshes(wildcards.dataset)
    return f"{R}/fetch/meshes/receipt.json" if wanted else []


def meshes_option(wildcards):
    file = meshes_of(wildcards)
    return f"--meshes {file}" if file else ""


def design_files(wildcards):
    """Events files or aligned features of a design."""
    name = wildcards.power
    try:
        return STUDY.power[name].files(name)
    except UserError as error:
        raise WorkflowError(f"{CONFIGFILES[0]}: {error}") from None
