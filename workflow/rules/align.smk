# Features at the times of the volumes, and the index of samples.


rule align:
    input:
        features=rules.features.output,
        inventory=rules.inventory.output.inventory,
        bold=lambda w: bold_files(w.dataset, reference_subject(w.dataset, w.timeline)),
    output:
        f"{R}/align/{{dataset}}/{{timeline}}/{{space}}/{{layer}}.h5",
    log:
        f"{R}/logs/align/{{dataset}}/{{timeline}}/{{space}}/{{layer}}.log",
    benchmark:
        f"{R}/benchmarks/align/{{dataset}}/{{timeline}}/{{space}}/{{layer}}.tsv"
    wildcard_constraints:
        space="|".join(LAYERS) or "none",
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=fingerprint("tristream.align.aligned"),
    shell:
        "python -m tristream align features --dataset {wildcards.dataset}"
        " --timeline {wildcards.timeline} --features {input.features}"
        " --inventory {input.inventory} --bold {input.bold}"
        " --output {output} --code {params.code} > {log} 2>&1"


rule samples:
    input:
        inventory=rules.inventory.output.inventory,
        splits=rules.inventory.output.splits,
        leakage=rules.leakage.output.table,
        bold=lambda w: bold_files(w.dataset, w.subject),
    output:
        table=f"{R}/align/{{dataset}}/sub-{{subject}}_samples.tsv",
        sidecar=f"{R}/align/{{dataset}}/sub-{{subject}}_samples.json",
    log:
        f"{R}/logs/align/{{dataset}}/sub-{{subject}}_samples.log",
    benchmark:
        f"{R}/benchmarks/align/{{dataset}}/sub-{{subject}}_samples.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        exchange=lambda w: dump(RESOLVED.datasets[w.dataset].exchange),
        trials=lambda w: dump_trials(RESOLVED.datasets[w.dataset]),
        code=fingerprint("tristream.align.samples"),
    shell:
        "python -m tristream align samples --dataset {wildcards.dataset}"
        " --subject {wildcards.subject} --inventory {input.inventory}"
        " --splits {input.splits} --leakage {input.leakage} --bold {input.bold}"
        " --output {output.table} --code {params.code} > {log} 2>&1"


rule lagscan:
    input:
        aligned=lambda w: [
            aligned_file(w.dataset, w.subject, *p) for p in spaces_in(w.dataset)
        ],
        bold=lambda w: bold_files(w.dataset, w.subject),
        samples=rules.samples.output.table,
    output:
        f"{R}/align/{{dataset}}/sub-{{subject}}_lagscan.h5",
    log:
        f"{R}/logs/align/{{dataset}}/sub-{{subject}}_lagscan.log",
    benchmark:
        f"{R}/benchmarks/align/{{dataset}}/sub-{{subject}}_lagscan.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("tristream.align.lagscan"),
    shell:
        "python -m tristream align lagscan --dataset {wildcards.dataset}"
        " --subject {wildcards.subject} --aligned {input.aligned} --bold {input.bold}"
        " --samples {input.samples} --output {output} --code {params.code} > {log} 2>&1"
