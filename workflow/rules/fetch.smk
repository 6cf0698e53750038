# Data from OpenNeuro (DataLad), the package index, the OSF, a folder. Local rules: they need the
# network, compute jobs do not.

from tristream.config.settings.fetch import (
    FetchDatasetSettings,
    FetchStimuliSettings,
    FetchSubjectSettings,
)
from tristream.config.settings.simulate import FetchAtlasSettings
from tristream.fetch.folder_state import dataset_state, stimuli_state, subject_state
from tristream.features.core.weights_settings import FetchWeightsSettings


localrules:
    fetch_dataset,
    fetch_subject,
    fetch_stimuli,
    fetch_weights,
    fetch_atlas,
    drop,


rule fetch_dataset:
    input:
        simulated_commit,
    output:
        at("dataset"),
    log:
        LAYOUT.log("dataset"),
    benchmark:
        LAYOUT.benchmark("dataset")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("dataset"),
        runtime=minutes("dataset"),
    params:
        settings=lambda w: settings(FetchDatasetSettings, dataset=w.dataset),
        state=lambda w: dataset_state(
            FetchDatasetSettings.of(RESOLVED, dataset=w.dataset)
        ),
    shell:
        "python -m tristream fetch dataset --settings {params.settings:q}"
        " --output {output:q} > {log:q} 2>&1"


rule fetch_subject:
    input:
        listing=at("dataset"),
    output:
        at("receipt"),
    log:
        LAYOUT.log("receipt"),
    benchmark:
        LAYOUT.benchmark("receipt")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("receipt"),
        runtime=minutes("receipt"),
        download_mb=lambda w: download_mb(w.dataset, w.subject),
    params:
        settings=lambda w: settings(
            FetchSubjectSettings, dataset=w.dataset, subject=w.subject
        ),
        state=lambda w: subject_state(
            FetchDatasetSettings.of(RESOLVED, dataset=w.dataset), w.subject
        ),
    shell:
        "python -m tristream fetch subject --settings {params.settings:q} --listing {input.listing:q}"
        " --output {output:q} > {log:q} 2>&1"


# Stimuli that only the user has are looked for first: if one is missing, no other job is begun.
rule fetch_stimuli:
    output:
        at("stimuli_receipt"),
    log:
        LAYOUT.log("stimuli_receipt"),
    benchmark:
        LAYOUT.benchmark("stimuli_receipt")
    priority: 2
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("stimuli_receipt"),
        runtime=minutes("stimuli_receipt"),
    params:
        settings=lambda w: settings(FetchStimuliSettings, dataset=w.dataset),
        state=lambda w: stimuli_state(
            FetchStimuliSettings.of(RESOLVED, dataset=w.dataset)
        ),
    shell:
        "python -m tristream fetch stimuli --settings {params.settings:q}"
        " --output {output:q} > {log:q} 2>&1"


rule fetch_weights:
    output:
        at("weights"),
    log:
        LAYOUT.log("weights"),
    benchmark:
        LAYOUT.benchmark("weights")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("weights"),
        runtime=minutes("weights"),
    params:
        settings=lambda w: settings(FetchWeightsSettings, space=w.space),
    shell:
        "python -m tristream fetch weights --settings {params.settings:q}"
        " --output {output:q} > {log:q} 2>&1"


rule fetch_atlas:
    output:
        at("preset_atlas"),
    log:
        LAYOUT.log("preset_atlas"),
    benchmark:
        LAYOUT.benchmark("preset_atlas")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("preset_atlas"),
        runtime=minutes("preset_atlas"),
    params:
        settings=lambda w: settings(FetchAtlasSettings, preset=w.preset),
    shell:
        "python -m tristream fetch atlas --settings {params.settings:q}"
        " --output {output:q} > {log:q} 2>&1"


rule drop:
    input:
        receipt=at("receipt"),
        used=lambda w: TARGETS.runs(w.dataset, w.subject),
    output:
        at("dropped"),
    log:
        LAYOUT.log("dropped"),
    benchmark:
        LAYOUT.benchmark("dropped")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("dropped"),
        runtime=minutes("dropped"),
    shell:
        "python -m tristream fetch drop --receipt {input.receipt:q}"
        " --output {output:q} > {log:q} 2>&1"
