# The measured responses, cleaned, one file a run.

from tristream.config.settings.bold import (
    BoldSettings,
    CheckSettings,
    IndexSettings,
    RegisterSettings,
    SubjectSettings,
    TimingSettings,
    TrialModelSettings,
)


localrules:
    check,
    timing,


# Headers, sidecars, masks and events are held against each other, first of all. Nothing depends on
# it: other events must not make BOLD be read again, and `ancient` would hide other changes.
rule check:
    input:
        receipt=at("receipt"),
        inventory=at("inventory"),
        inventory_sidecar=LAYOUT.sidecar("inventory"),
    output:
        at("checked"),
    log:
        LAYOUT.log("checked"),
    benchmark:
        LAYOUT.benchmark("checked")
    priority: 2
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("checked"),
        runtime=minutes("checked"),
    params:
        settings=lambda w: settings(CheckSettings, dataset=w.dataset, subject=w.subject),
        code=lambda w: fingerprint(
            "tristream.bold.check_subject",
            reader_module(RESOLVED.datasets[w.dataset].layout.kind),
        ),
    shell:
        "python -m tristream bold check --settings {params.settings:q} --receipt {input.receipt:q}"
        " --inventory {input.inventory:q} --output {output:q} --code {params.code} > {log:q} 2>&1"


# Where features are brought to volumes once for all subjects of a timeline.
rule timing:
    input:
        lambda w: TARGETS.subjects("checked", w.dataset),
    output:
        at("timing"),
    log:
        LAYOUT.log("timing"),
    benchmark:
        LAYOUT.benchmark("timing")
    priority: 2
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("timing"),
        runtime=minutes("timing"),
    params:
        settings=lambda w: settings(TimingSettings, dataset=w.dataset),
        code=fingerprint("tristream.bold.timing"),
    shell:
        "python -m tristream bold timing --settings {params.settings:q} --checked {input:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


# Raw images alone: what fMRIPrep would have estimated, once a subject and once a run.
rule normalise:
    input:
        receipt=at("receipt"),
    output:
        at("normalisation"),
    log:
        LAYOUT.log("normalisation"),
    benchmark:
        LAYOUT.benchmark("normalisation")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("normalisation"),
        runtime=minutes("normalisation"),
    params:
        settings=lambda w: settings(
            SubjectSettings, dataset=w.dataset, subject=w.subject
        ),
        code=fingerprint("tristream.bold.registration.normalise"),
    shell:
        "python -m tristream bold normalise --settings {params.settings:q} --receipt {input.receipt:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule register:
    input:
        receipt=at("receipt"),
        normalisation=rules.normalise.output,
    output:
        at("registration"),
    log:
        LAYOUT.log("registration"),
    benchmark:
        LAYOUT.benchmark("registration")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("registration"),
        runtime=minutes("registration"),
    params:
        settings=lambda w: settings(
            RegisterSettings, dataset=w.dataset, subject=w.subject
        ),
        code=fingerprint("tristream.bold.registration.motion"),
    shell:
        "python -m tristream bold register --settings {params.settings:q}"
        " --run {wildcards.run} --receipt {input.receipt:q}"
        " --normalisation {input.normalisation:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


# Where trials are estimated under what a subject's training runs choose: their volumes, then the
# choice.
rule trial_volumes:
    input:
        receipt=at("receipt"),
        registered=registrations_of,
    output:
        at("trial_volumes"),
    log:
        LAYOUT.log("trial_volumes"),
    benchmark:
        LAYOUT.benchmark("trial_volumes")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("trial_volumes"),
        runtime=minutes("trial_volumes"),
    params:
        registered=registrations_option,
        settings=lambda w: settings(BoldSettings, dataset=w.dataset, subject=w.subject),
        code=volumes_code,
    shell:
        "python -m tristream bold volumes --settings {params.settings:q}"
        " --run {wildcards.run} --receipt {input.receipt:q} {params.registered}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule trial_model:
    input:
        receipt=at("receipt"),
        volumes=training_volumes,
    output:
        at("trial_model"),
    log:
        LAYOUT.log("trial_model"),
    benchmark:
        LAYOUT.benchmark("trial_model")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("trial_model"),
        runtime=minutes("trial_model"),
    params:
        settings=lambda w: settings(
            TrialModelSettings, dataset=w.dataset, subject=w.subject
        ),
        code=fingerprint("tristream.bold.trial_model"),
    shell:
        "python -m tristream bold choose --settings {params.settings:q}"
        " --receipt {input.receipt:q} --volumes {input.volumes:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule bold:
    input:
        receipt=at("receipt"),
        registered=aligned_by,
        chosen=chosen_of,
    output:
        at("bold"),
    log:
        LAYOUT.log("bold"),
    benchmark:
        LAYOUT.benchmark("bold")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("bold"),
        runtime=minutes("bold"),
    params:
        origin=bold_options,
        settings=lambda w: settings(BoldSettings, dataset=w.dataset, subject=w.subject),
        code=bold_code,
    shell:
        "python -m tristream bold prepare --settings {params.settings:q}"
        " --run {wildcards.run} --receipt {input.receipt:q} {params.origin}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule bold_index:
    input:
        lambda w: TARGETS.runs(w.dataset, w.subject),
    output:
        at("bold_index"),
    log:
        LAYOUT.log("bold_index"),
    benchmark:
        LAYOUT.benchmark("bold_index")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("bold_index"),
        runtime=minutes("bold_index"),
    params:
        settings=lambda w: settings(IndexSettings, dataset=w.dataset, subject=w.subject),
        code=fingerprint("tristream.bold.index_file"),
    shell:
        "python -m tristream bold index --settings {params.settings:q} --runs {input:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"
