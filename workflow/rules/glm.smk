# Where the BOLD follows some conditions of an experiment more than others.


rule contrast:
    input:
        bold=lambda w: bold_files(w.dataset, w.subject),
        inventory=rules.inventory.output.inventory,
    output:
        f"{R}/contrasts/{{dataset}}/{{contrast}}/sub-{{subject}}.h5",
    log:
        f"{R}/logs/contrasts/{{dataset}}/{{contrast}}/sub-{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/contrasts/{{dataset}}/{{contrast}}/sub-{{subject}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        contrast=contrast_keys,
        code=fingerprint("tristream.glm.contrast"),
    shell:
        "python -m tristream glm contrast --dataset {wildcards.dataset}"
        " --contrast {wildcards.contrast} --subject {wildcards.subject}"
        " --inventory {input.inventory} --bold {input.bold}"
        " --output {output} --code {params.code} > {log} 2>&1"


rule contrast_maps:
    input:
        fit=rules.contrast.output,
        index=rules.bold_index.output,
        regions=regions_of,
        meshes=meshes_of,
    output:
        maps=f"{R}/maps/{{dataset}}/{{contrast}}/sub-{{subject}}/maps.json",
        table=f"{R}/contrasts/{{dataset}}/{{contrast}}/sub-{{subject}}_regions.tsv",
        sidecar=f"{R}/contrasts/{{dataset}}/{{contrast}}/sub-{{subject}}_regions.json",
    log:
        f"{R}/logs/maps/{{dataset}}/{{contrast}}/sub-{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/maps/{{dataset}}/{{contrast}}/sub-{{subject}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        threshold=lambda w: STUDY.contrasts[w.contrast].threshold,
        inference=inference_keys("fdr"),
        regions=regions_option,
        meshes=meshes_option,
        code=fingerprint("tristream.maps.contrast_maps"),
    shell:
        "python -m tristream maps contrast --dataset {wildcards.dataset}"
        " --contrast {wildcards.contrast} --subject {wildcards.subject} --fit {input.fit}"
        " --index {input.index} {params.regions} {params.meshes} --table {output.table}"
        " --output {output.maps} --code {params.code} > {log} 2>&1"
