# The measured responses, cleaned, one file a run.

from tristream.config.settings.bold import IndexSettings


# Raw images alone: what fMRIPrep would have estimated, once a subject and once a run.
rule normalise:
    input:
        at("receipt"),
    output:
        at("normalisation"),
    log:
        LAYOUT.log("normalisation"),
    benchmark:
        LAYOUT.benchmark("normalisation")
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=fingerprint("tristream.bold.registration.normalise"),
    shell:
        "python -m tristream bold normalise --dataset {wildcards.dataset}"
        " --subject {wildcards.subject} --receipt {input}"
        " --output {output} --code {params.code} > {log} 2>&1"


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
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        trims=lambda w: dump(RESOLVED.datasets[w.dataset].trims),
        code=fingerprint("tristream.bold.registration.motion"),
    shell:
        "python -m tristream bold register --dataset {wildcards.dataset}"
        " --subject {wildcards.subject} --run {wildcards.run} --receipt {input.receipt}"
        " --normalisation {input.normalisation}"
        " --output {output} --code {params.code} > {log} 2>&1"


rule bold:
    input:
        receipt=at("receipt"),
        registered=registrations_of,
    output:
        at("bold"),
    log:
        LAYOUT.log("bold"),
    benchmark:
        LAYOUT.benchmark("bold")
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        registered=registrations_option,
        layout=lambda w: dump(RESOLVED.datasets[w.dataset].layout),
        trims=lambda w: dump(RESOLVED.datasets[w.dataset].trims),
        trials=lambda w: dump_trials(RESOLVED.datasets[w.dataset]),
        tr=lambda w: RESOLVED.datasets[w.dataset].tr,
        code=fingerprint("tristream.bold.prepare", "tristream.bold.run_file"),
    shell:
        "python -m tristream bold prepare --dataset {wildcards.dataset}"
        " --subject {wildcards.subject} --run {wildcards.run} --receipt {input.receipt}"
        " {params.registered} --output {output} --code {params.code} > {log} 2>&1"


rule bold_index:
    input:
        lambda w: bold_files(w.dataset, w.subject),
    output:
        at("bold_index"),
    log:
        LAYOUT.log("bold_index"),
    benchmark:
        LAYOUT.benchmark("bold_index")
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        settings=lambda w: settings(IndexSettings, dataset=w.dataset, subject=w.subject),
        code=fingerprint("tristream.bold.index_file"),
    shell:
        "python -m tristream bold index --settings {params.settings} --runs {input}"
        " --output {output} --code {params.code} > {log} 2>&1"
