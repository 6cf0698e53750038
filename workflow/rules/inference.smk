# p values from stored predictions; for simulated data, what was recovered of the truth.


rule inference:
    input:
        rules.encode.output,
    output:
        f"{R}/inference/{{dataset}}/{{model}}/sub-{{subject}}.h5",
    log:
        f"{R}/logs/inference/{{dataset}}/{{model}}/sub-{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/inference/{{dataset}}/{{model}}/sub-{{subject}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        inference=dump(STUDY.inference),
        code=fingerprint("tristream.inference.encoding"),
    shell:
        "{RUN} inference encoding --config {CONFIG} --dataset {wildcards.dataset}"
        " --model {wildcards.model} --subject {wildcards.subject} --encoding {input}"
        " --output {output} --code {params.code} > {log} 2>&1"


def encodings_of(wildcards):
    return [
        f"{R}/{stage}/{wildcards.dataset}/{name}/sub-{subject}.h5"
        for stage in ("encode",)
        for name, model in STUDY.models.items()
        if wildcards.dataset in model.datasets
        for subject in RESOLVED.subjects[wildcards.dataset]
    ]


rule recovery:
    input:
        truth=f"{R}/simulate/{{dataset}}/truth.h5",
        encodings=encodings_of,
    output:
        table(f"{R}/inference/{{dataset}}/recovery.tsv"),
    log:
        f"{R}/logs/inference/{{dataset}}/recovery.log",
    benchmark:
        f"{R}/benchmarks/inference/{{dataset}}/recovery.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("tristream.inference.recovery"),
    shell:
        "{RUN} inference recovery --config {CONFIG} --dataset {wildcards.dataset}"
        " --truth {input.truth} --encodings {input.encodings}"
        " --output {output[0]} --code {params.code} > {log} 2>&1"
