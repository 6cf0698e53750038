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
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        inference=dump(STUDY.inference),
        code=fingerprint("tristream.inference.encoding"),
    shell:
        "python -m tristream inference encoding --dataset {wildcards.dataset}"
        " --model {wildcards.model} --subject {wildcards.subject} --encoding {input}"
        " --output {output} --code {params.code} > {log} 2>&1"


rule recovery:
    input:
        truth=f"{R}/simulate/{{dataset}}/truth.h5",
        encodings=encodings_of,
    output:
        table=f"{R}/inference/{{dataset}}/recovery.tsv",
        sidecar=f"{R}/inference/{{dataset}}/recovery.json",
    log:
        f"{R}/logs/inference/{{dataset}}/recovery.log",
    benchmark:
        f"{R}/benchmarks/inference/{{dataset}}/recovery.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("tristream.inference.recovery"),
    shell:
        "python -m tristream inference recovery --dataset {wildcards.dataset}"
        " --truth {input.truth} --encodings {input.encodings}"
        " --output {output.table} --code {params.code} > {log} 2>&1"
