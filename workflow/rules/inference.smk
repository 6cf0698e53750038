# From stored predictions: p values, comparisons, tables, the group; for simulated data, what was
# recovered of the truth.


localrules:
    fetch_regions,


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
        inference=inference_keys("permutations", "null", "fdr", "procedure", "seed"),
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


rule compare:
    input:
        first=f"{R}/encode/{{dataset}}/{{first}}/sub-{{subject}}.h5",
        second=f"{R}/encode/{{dataset}}/{{second}}/sub-{{subject}}.h5",
        regions=regions_of,
    output:
        f"{R}/inference/{{dataset}}/comparisons/{{first}}/{{second}}/sub-{{subject}}.h5",
    log:
        f"{R}/logs/inference/{{dataset}}/comparisons/{{first}}/{{second}}/sub-{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/inference/{{dataset}}/comparisons/{{first}}/{{second}}/sub-{{subject}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        regions=regions_option,
        inference=inference_keys("permutations", "fdr", "procedure", "seed"),
        code=fingerprint("tristream.inference.comparison"),
    shell:
        "python -m tristream inference compare --dataset {wildcards.dataset}"
        " --first {input.first} --second {input.second} {params.regions}"
        " --output {output} --code {params.code} > {log} 2>&1"


rule group:
    input:
        encodings=lambda w: per_subject(
            w.dataset, f"{{R}}/encode/{{dataset}}/{w.model}/sub-{{subject}}.h5"
        ),
        inferences=lambda w: per_subject(
            w.dataset, f"{{R}}/inference/{{dataset}}/{w.model}/sub-{{subject}}.h5"
        ),
    output:
        f"{R}/inference/{{dataset}}/{{model}}/group.h5",
    log:
        f"{R}/logs/inference/{{dataset}}/{{model}}/group.log",
    benchmark:
        f"{R}/benchmarks/inference/{{dataset}}/{{model}}/group.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        inference=inference_keys("permutations", "procedure", "seed"),
        code=fingerprint("tristream.inference.group"),
    shell:
        "python -m tristream inference group --dataset {wildcards.dataset}"
        " --encodings {input.encodings} --inferences {input.inferences}"
        " --output {output} --code {params.code} > {log} 2>&1"


rule tables:
    input:
        encoding=rules.encode.output,
        inference=rules.inference.output,
        regions=regions_of,
    output:
        regions=f"{R}/inference/{{dataset}}/{{model}}/sub-{{subject}}_regions.tsv",
        regions_sidecar=f"{R}/inference/{{dataset}}/{{model}}/sub-{{subject}}_regions.json",
        clusters=f"{R}/inference/{{dataset}}/{{model}}/sub-{{subject}}_clusters.tsv",
        clusters_sidecar=f"{R}/inference/{{dataset}}/{{model}}/sub-{{subject}}_clusters.json",
    log:
        f"{R}/logs/inference/{{dataset}}/{{model}}/sub-{{subject}}_tables.log",
    benchmark:
        f"{R}/benchmarks/inference/{{dataset}}/{{model}}/sub-{{subject}}_tables.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        regions=regions_option,
        code=fingerprint("tristream.inference.tables"),
    shell:
        "python -m tristream inference tables --dataset {wildcards.dataset}"
        " --model {wildcards.model} --subject {wildcards.subject} --encoding {input.encoding}"
        " --inference {input.inference} {params.regions} --by-region {output.regions}"
        " --by-cluster {output.clusters} --code {params.code} > {log} 2>&1"


rule fetch_regions:
    output:
        f"{R}/fetch/regions/receipt.json",
    log:
        f"{R}/logs/fetch/regions.log",
    benchmark:
        f"{R}/benchmarks/fetch/regions.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    shell:
        "python -m tristream inference atlas --output {output} > {log} 2>&1"


rule regions:
    input:
        rules.fetch_regions.output,
    output:
        f"{R}/inference/regions.h5",
    log:
        f"{R}/logs/inference/regions.log",
    benchmark:
        f"{R}/benchmarks/inference/regions.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("tristream.space.atlas"),
    shell:
        "python -m tristream inference regions --receipt {input}"
        " --output {output} --code {params.code} > {log} 2>&1"
