# Where the BOLD follows some conditions of an experiment more than others.

from tristream.config.settings.contrast import ContrastSettings


rule contrast:
    input:
        bold=lambda w: bold_files(w.dataset, w.subject),
        inventory=at("inventory"),
        inventory_sidecar=LAYOUT.sidecar("inventory"),
    output:
        at("contrast"),
    log:
        LAYOUT.log("contrast"),
    benchmark:
        LAYOUT.benchmark("contrast")
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=lambda w: settings(
            ContrastSettings, dataset=w.dataset, contrast=w.contrast, subject=w.subject
        ),
        code=fingerprint("tristream.contrast.contrast_fit"),
    shell:
        "python -m tristream contrast fit --settings {params.settings}"
        " --inventory {input.inventory} --bold {input.bold}"
        " --output {output} --code {params.code} > {log} 2>&1"


rule contrast_maps:
    input:
        fit=rules.contrast.output,
        index=rules.bold_index.output,
        regions=regions_of,
        meshes=meshes_of,
    output:
        maps=at("contrast_maps"),
        table=at("contrast_table"),
        sidecar=LAYOUT.sidecar("contrast_table"),
    log:
        LAYOUT.log("contrast_maps"),
    benchmark:
        LAYOUT.benchmark("contrast_maps")
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
