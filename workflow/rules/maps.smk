# Brain maps: volumes, surfaces, figures, tables.


rule maps:
    input:
        encoding=rules.encode.output,
        inference=rules.inference.output,
        index=rules.bold_index.output,
    output:
        f"{R}/maps/{{dataset}}/{{model}}/sub-{{subject}}/maps.json",
    log:
        f"{R}/logs/maps/{{dataset}}/{{model}}/sub-{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/maps/{{dataset}}/{{model}}/sub-{{subject}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("tristream.maps.draw"),
    shell:
        "python -m tristream maps draw --dataset {wildcards.dataset}"
        " --model {wildcards.model} --subject {wildcards.subject} --encoding {input.encoding}"
        " --inference {input.inference} --index {input.index}"
        " --output {output} --code {params.code} > {log} 2>&1"
