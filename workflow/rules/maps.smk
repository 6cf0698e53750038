# Brain maps: volumes, surfaces, figures, tables.


rule fetch_meshes:
    output:
        f"{R}/fetch/meshes/receipt.json",
    log:
        f"{R}/logs/fetch/meshes.log",
    benchmark:
        f"{R}/benchmarks/fetch/meshes.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    shell:
        "python -m tristream maps meshes --output {output} > {log} 2>&1"


rule maps:
    input:
        encoding=rules.encode.output,
        inference=rules.inference.output,
        index=rules.bold_index.output,
        meshes=meshes_of,
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
        meshes=meshes_option,
        code=fingerprint("tristream.maps.encoding_maps"),
    shell:
        "python -m tristream maps draw --dataset {wildcards.dataset}"
        " --model {wildcards.model} --subject {wildcards.subject} --encoding {input.encoding}"
        " --inference {input.inference} --index {input.index} {params.meshes}"
        " --output {output} --code {params.code} > {log} 2>&1"
