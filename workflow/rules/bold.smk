# The measured responses, cleaned, one file a run.


# Raw images alone: what fMRIPrep would have estimated, once a subject and once a run.
rule normalise:
    input:
        f"{R}/fetch/{{dataset}}/sub-{{subject}}/receipt.json",
    output:
        f"{R}/registration/{{dataset}}/sub-{{subject}}.h5",
    log:
        f"{R}/logs/registration/{{dataset}}/sub-{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/registration/{{dataset}}/sub-{{subject}}.tsv"
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
        receipt=f"{R}/fetch/{{dataset}}/sub-{{subject}}/receipt.json",
        normalisation=rules.normalise.output,
    output:
        f"{R}/registration/{{dataset}}/sub-{{subject}}/{{run}}.h5",
    log:
        f"{R}/logs/registration/{{dataset}}/sub-{{subject}}/{{run}}.log",
    benchmark:
        f"{R}/benchmarks/registration/{{dataset}}/sub-{{subject}}/{{run}}.tsv"
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
        receipt=f"{R}/fetch/{{dataset}}/sub-{{subject}}/receipt.json",
        registered=registrations_of,
    output:
        f"{R}/bold/{{dataset}}/sub-{{subject}}/{{run}}.h5",
    log:
        f"{R}/logs/bold/{{dataset}}/sub-{{subject}}/{{run}}.log",
    benchmark:
        f"{R}/benchmarks/bold/{{dataset}}/sub-{{subject}}/{{run}}.tsv"
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
        f"{R}/bold/{{dataset}}/sub-{{subject}}/index.json",
    log:
        f"{R}/logs/bold/{{dataset}}/sub-{{subject}}/index.log",
    benchmark:
        f"{R}/benchmarks/bold/{{dataset}}/sub-{{subject}}/index.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    shell:
        "python -m tristream bold index --dataset {wildcards.dataset}"
        " --subject {wildcards.subject} --runs {input} --output {output} > {log} 2>&1"
