# Which files rules take, where that depends on the dataset, and options that go with them.

import math
import shlex

from tristream.bold.readers import reader_module
from tristream.config.settings.stimuli import InventorySettings
from tristream.fetch.plan import human, plan_subject
from tristream.results.written import lost
from tristream.simulate.preset import load_preset
from tristream.stimuli.events_at_hand import check_events


def option(name, files):
    """A command's option with a file or several; nothing where there is none."""
    files = [files] if isinstance(files, str) else list(files)
    return f"{name} {shlex.join(files)}" if files else ""


def simulated_commit(wildcards):
    """The commit of a dataset that the simulator writes."""
    source = RESOLVED.datasets[wildcards.dataset].source
    return at("commit") if source.kind == "simulate" else []


def stimuli_receipt(wildcards):
    """The receipt of the stimuli, if there are media."""
    source = RESOLVED.datasets[wildcards.dataset].stimuli.source
    return at("stimuli_receipt") if source else []


@lru_cache(None)
def download_mb(dataset, subject):
    """MB to get, as far as they are known here; a dry run lists the files. Asks no network."""
    try:
        plan = plan_subject(RESOLVED, dataset, subject)
    except UserError as error:
        stop(error)
    if workflow.dryrun and plan is None:
        logger.info(
            f"{dataset} sub-{subject}: files and bytes are known once the dataset is listed: "
            f"`tristream fetch plan --dataset {dataset}` does that and gets no image"
        )
    elif workflow.dryrun and plan.files:
        logger.info(f"{dataset} sub-{subject}: {plan.summary}")
        for path, size in plan.files:
            logger.info(f"    {human(size):>8}  {path}")
    return math.ceil((plan.download or 0) / 1e6) if plan else 0


def inventory_settings(wildcards):
    """What the inventory reads; a dry run reads the events that are here, and tells faults."""
    if workflow.dryrun:
        tell_faulty_events(wildcards.dataset)
    return settings(InventorySettings, dataset=wildcards.dataset)


@lru_cache(None)
def tell_faulty_events(dataset):
    """Read the events of a dataset, if they are here."""
    try:
        check_events(RESOLVED, dataset)
    except UserError as error:
        stop(error)


def dropped():
    """Markers of content that `keep_raw: false` drops after its last use."""
    return [
        path
        for dataset, descriptor in RESOLVED.datasets.items()
        if not STUDY.keep_raw and descriptor.source.kind in ("datalad", "simulate")
        for path in TARGETS.subjects("dropped", dataset)
    ]


def kept_weights(path):
    """Dual weights, which go after their last use unless the study keeps them."""
    return path if STUDY.keep_weights else temp(path)


def wanted_weights():
    """Dual weights of all models, in a study that keeps them."""
    return [
        path
        for model, block in STUDY.models.items()
        for dataset in block.datasets
        for path in TARGETS.subjects("dual_weights", dataset, model=model)
        if STUDY.keep_weights
    ]


def moves_units(dataset):
    """Whether tests predict again what was moved, for which they read weights: all but films."""
    return RESOLVED.datasets[dataset].exchange.unit != "time"


def moved_weights(wildcards):
    """Dual weights of a model, where its test reads them."""
    moved = moves_units(wildcards.dataset)
    return LAYOUT.path("dual_weights", **wildcards) if moved else []


def moved_weights_of_all(wildcards):
    """The same of all chosen subjects."""
    dataset, model = wildcards.dataset, wildcards.model
    moved = moves_units(dataset)
    return TARGETS.subjects("dual_weights", dataset, model=model) if moved else []


def preset_of(wildcards):
    return RESOLVED.datasets[wildcards.dataset].source.preset


def preset_features(wildcards):
    """Feature files that drive the simulated voxels."""
    pairs = [text.split("/") for text in load_preset(preset_of(wildcards)).features]
    return [
        LAYOUT.path("features", dataset=wildcards.dataset, space=space, layer=layer)
        for space, layer in pairs
    ]


def registrations_of(wildcards):
    """What raw images are aligned by: the subject's normalisation, then all runs."""
    dataset, subject = wildcards.dataset, wildcards.subject
    if RESOLVED.datasets[dataset].layout.kind != "raw":
        return []
    normalisation = LAYOUT.path("normalisation", dataset=dataset, subject=subject)
    return [str(normalisation), *TARGETS.runs(dataset, subject, "registration")]


def registrations_option(wildcards):
    return option("--registered", registrations_of(wildcards))


def chosen_of(wildcards):
    """Volumes of the run and the subject's model, where trials rest on what training runs chose."""
    dataset, subject = wildcards.dataset, wildcards.subject
    if not RESOLVED.datasets[dataset].chosen_trials:
        return []
    of_run = LAYOUT.path(
        "trial_volumes", dataset=dataset, subject=subject, run=wildcards.run
    )
    return [
        str(of_run),
        str(LAYOUT.path("trial_model", dataset=dataset, subject=subject)),
    ]


def aligned_by(wildcards):
    """What raw images are aligned by, where the run's job reads images."""
    return [] if chosen_of(wildcards) else registrations_of(wildcards)


def bold_options(wildcards):
    if chosen := chosen_of(wildcards):
        return f"{option('--volumes', chosen[0])} {option('--model', chosen[1])}"
    return registrations_option(wildcards)


def training_volumes(wildcards):
    """Cleaned volumes of the runs that choose."""
    descriptor = RESOLVED.datasets[wildcards.dataset]
    return [
        LAYOUT.path(
            "trial_volumes",
            dataset=wildcards.dataset,
            subject=wildcards.subject,
            run=run,
        )
        for run in descriptor.runs_of(wildcards.subject)
        if not descriptor.split.is_test(run)
    ]


def volumes_code(wildcards):
    """The key of the dataset's reader."""
    reader = reader_module(RESOLVED.datasets[wildcards.dataset].layout.kind)
    return fingerprint("tristream.bold.prepare", reader)


def bold_code(wildcards):
    """The key of the reader that the dataset's layout needs, and of no other."""
    descriptor = RESOLVED.datasets[wildcards.dataset]
    trials = ["tristream.bold.trials"] if descriptor.trials else []
    if descriptor.chosen_trials:
        return fingerprint(
            "tristream.bold.prepare", "tristream.bold.single_trials", *trials
        )
    return fingerprint(
        "tristream.bold.prepare", reader_module(descriptor.layout.kind), *trials
    )


def checked():
    """Markers that the files of all chosen subjects fit together."""
    return [path for dataset in RESOLVED.datasets for path in TARGETS.checked(dataset)]


def reference_bold(wildcards):
    """Run files whose volumes say when features are wanted, each of the first who has the run."""
    dataset = wildcards.dataset
    return [
        LAYOUT.path("bold", dataset=dataset, subject=subject, run=run)
        for run, subject in RESOLVED.reference_runs(dataset, wildcards.timeline).items()
    ]


def aligned_of_all(wildcards):
    """Aligned features of a model on every timeline that a chosen subject saw."""
    dataset, pairs = wildcards.dataset, TARGETS.layers_of_model(wildcards.model)
    subjects = RESOLVED.subjects[dataset]
    files = (path for s in subjects for path in TARGETS.aligned(dataset, s, pairs))
    return list(dict.fromkeys(files))


def regions_of(wildcards):
    """The atlas, for a dataset whose volumes are in MNI space."""
    wanted = RESOLVED.needs_regions(wildcards.dataset)
    return at("regions") if wanted else []


def regions_option(wildcards):
    return option("--regions", regions_of(wildcards))


def design_files(wildcards):
    """Events files or aligned features of a design."""
    name = wildcards.power
    try:
        return STUDY.power[name].files(name)
    except UserError as error:
        stop(f"{CONFIGFILES[0]}: {error}")


def partition_of(wildcards):
    """Unique and shared variance of the model, and their tests, where the study asks for them."""
    wanted = wildcards.model in STUDY.inference.partition
    return [at("partition"), at("partition_test")] if wanted else []


def partition_option(wildcards, input):
    return option("--partition", input.partition)


def meshes_of(wildcards):
    """The meshes of fsLR, for a dataset whose BOLD lies on them."""
    wanted = RESOLVED.needs_meshes(wildcards.dataset)
    return at("meshes") if wanted else []


def meshes_option(wildcards):
    return option("--meshes", meshes_of(wildcards))


def background_of(wildcards):
    """The first run, whose mean lies under slices of images that are in no template."""
    space = RESOLVED.datasets[wildcards.dataset].space or ""
    if space.startswith(("MNI", "fs")):
        return []
    return TARGETS.runs(wildcards.dataset, wildcards.subject)[:1]


def background_option(wildcards):
    return option("--background", background_of(wildcards))


def candidates_option(wildcards):
    return option("--candidates", TARGETS.own_candidates(wildcards.identification))


def nothing_lost(place, output=""):
    """No input: the job is done again, as by --forcerun, if one of its files is gone or cut short.

    Maps and pages have names that only their job knows, so that no rule can declare them. The job
    lists them, with sizes, in the file of `place`. `output` is the place that the rule declares.
    """

    @lru_cache(None)
    def force(wildcards):
        listing, declared = (
            LAYOUT.path(one, **dict(wildcards)) for one in (place, output or place)
        )
        if declared.exists() and (gone := lost(listing)):
            logger.info(
                f"{listing}: {len(gone)} of its files are gone or cut short; they are made again"
            )
            workflow.dag.forcefiles.add(str(declared))

    def check(wildcards):
        if workflow.is_main_process:
            force(tuple(wildcards.items()))
        return []

    return check
