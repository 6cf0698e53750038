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
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=fingerprint("tristream.align.aligned"),
    shell:
        "{RUN} align features --config {CONFIG} --dataset {wildcards.dataset}"
        " --timeline {wildcards.timeline} --features {input.features}"
        " --inventory {input.inventory[0]} --bold {input.bold}"
        " --output {output} --code {params.code} > {log} 2>&1"


rule samples:
    input:
        inventory=rules.inventory.output.inventory,
        splits=rules.inventory.output.splits,
        leakage=rules.leakage.output,
        bold=lambda w: bold_files(w.dataset, w.subject),
    output:
        table(f"{R}/align/{{dataset}}/sub-{{subject}}_samples.tsv"),
    log:
        f"{R}/logs/align/{{dataset}}/sub-{{subject}}_samples.log",
    benchmark:
        f"{R}/benchmarks/align/{{dataset}}/sub-{{subject}}_samples.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        exchange=lambda w: dump(RESOLVED.datasets[w.dataset].exchange),
        code=fingerprint("tristream.align.samples"),
    shell:
        "{RUN} align samples --config {CONFIG} --dataset {wildcards.dataset}"
        " --subject {wildcards.subject} --inventory {input.inventory[0]}"
        " --splits {input.splits[0]} --leakage {input.leakage[0]} --bold {input.bold}"
        " --output {output[0]} --code {params.code} > {log} 2>&1"


rule lagscan:
    input:
        aligned=lambda w: [
            aligned_file(w.dataset, w.subject, *p) for p in spaces_in(w.dataset)
        ],
        bold=lambda w: bold_files(w.dataset, w.subject),
        samples=rules.samples.output,
    output:
        f"{R}/align/{{dataset}}/sub-{{subject}}_lagscan.h5",
    log:
        f"{R}/logs/align/{{dataset}}/sub-{{subject}}_lagscan.log",
    benchmark:
        f"{R}/benchmarks/align/{{dataset}}/sub-{{subject}}_lagscan.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("tristream.align.lagscan"),
    shell:
        "{RUN} align lagscan --config {CONFIG} --dataset {wildcards.dataset}"
        " --subject {wildcards.subject} --aligned {input.aligned} --bold {input.bold}"
        " --samples {input.samples[0]} --output {output} --code {params.code} > {log} 2>&1"
