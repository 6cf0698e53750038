# Data from OpenNeuro (DataLad), the package index or a folder. Local rules: they need the network,
# compute jobs do not.


localrules:
    fetch_dataset,
    fetch_subject,
    fetch_stimuli,
    fetch_weights,
    fetch_atlas,
    drop,


def commit_file(wildcards):
    return (
        f"{R}/simulate/{wildcards.dataset}/commit.txt"
        if is_simulated(wildcards.dataset)
        else []
    )


rule fetch_dataset:
    input:
        commit_file,
    output:
        f"{R}/fetch/{{dataset}}/dataset.json",
    log:
        f"{R}/logs/fetch/{{dataset}}/dataset.log",
    benchmark:
        f"{R}/benchmarks/fetch/{{dataset}}/dataset.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        source=lambda w: dump(RESOLVED.datasets[w.dataset].source),
    shell:
        "{RUN} fetch dataset --config {CONFIG} --dataset {wildcards.dataset}"
        " --output {output} > {log} 2>&1"


rule fetch_subject:
    input:
        rules.fetch_dataset.output,
    output:
        f"{R}/fetch/{{dataset}}/sub-{{subject}}/receipt.json",
    log:
        f"{R}/logs/fetch/{{dataset}}/sub-{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/fetch/{{dataset}}/sub-{{subject}}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=1440,
    params:
        layout=lambda w: dump(RESOLVED.datasets[w.dataset].layout),
        runs=lambda w: RESOLVED.datasets[w.dataset].runs_of(w.subject),
    shell:
        "{RUN} fetch subject --config {CONFIG} --dataset {wildcards.dataset}"
        " --subject {wildcards.subject} --listing {input} --output {output} > {log} 2>&1"


rule fetch_stimuli:
    output:
        f"{R}/fetch/{{dataset}}/stimuli/receipt.json",
    log:
        f"{R}/logs/fetch/{{dataset}}/stimuli.log",
    benchmark:
        f"{R}/benchmarks/fetch/{{dataset}}/stimuli.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        stimuli=lambda w: dump(RESOLVED.datasets[w.dataset].stimuli),
    shell:
        "{RUN} fetch stimuli --config {CONFIG} --dataset {wildcards.dataset}"
        " --output {output} > {log} 2>&1"


rule fetch_weights:
    output:
        f"{R}/fetch/weights/{{extractor}}/receipt.json",
    log:
        f"{R}/logs/fetch/weights/{{extractor}}.log",
    benchmark:
        f"{R}/benchmarks/fetch/weights/{{extractor}}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        source=lambda w: dump(extractor_by_name(w.extractor).weights),
        module=lambda w: module_option(w.extractor),
    shell:
        "{RUN} fetch weights --config {CONFIG} --extractor {wildcards.extractor} {params.module}"
        " --output {output} > {log} 2>&1"


rule fetch_atlas:
    output:
        f"{R}/fetch/atlas/{{preset}}/receipt.json",
    log:
        f"{R}/logs/fetch/atlas/{{preset}}.log",
    benchmark:
        f"{R}/benchmarks/fetch/atlas/{{preset}}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        atlas=lambda w: dump(load_preset(w.preset).atlas),
    shell:
        "{RUN} fetch atlas --config {CONFIG} --preset {wildcards.preset}"
        " --output {output} > {log} 2>&1"


rule drop:
    input:
        receipt=rules.fetch_subject.output,
        used=lambda w: bold_files(w.dataset, w.subject),
    output:
        f"{R}/fetch/{{dataset}}/sub-{{subject}}/dropped.json",
    log:
        f"{R}/logs/fetch/{{dataset}}/sub-{{subject}}_drop.log",
    benchmark:
        f"{R}/benchmarks/fetch/{{dataset}}/sub-{{subject}}_drop.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    shell:
        "{RUN} fetch drop --config {CONFIG} --receipt {input.receipt}"
        " --output {output} > {log} 2>&1"
