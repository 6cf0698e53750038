# Brain maps of encoding models and of contrasts: volumes, surfaces, figures, tables.

from tristream.config.settings.maps import (
    ContrastMapsSettings,
    DataSettings,
    GroupMapsSettings,
    MapsSettings,
)


localrules:
    fetch_meshes,


rule fetch_meshes:
    output:
        at("meshes"),
    log:
        LAYOUT.log("meshes"),
    benchmark:
        LAYOUT.benchmark("meshes")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("meshes"),
        runtime=minutes("meshes"),
    params:
        settings=lambda w: settings(DataSettings),
    shell:
        "python -m tristream maps meshes --settings {params.settings:q}"
        " --output {output:q} > {log:q} 2>&1"


rule maps:
    input:
        encoding=at("encoding"),
        inference=at("inference"),
        partition=partition_of,
        background=background_of,
        regions=regions_of,
        meshes=meshes_of,
        lost=nothing_lost("maps"),
    output:
        at("maps"),
    log:
        LAYOUT.log("maps"),
    benchmark:
        LAYOUT.benchmark("maps")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("maps"),
        runtime=minutes("maps"),
    params:
        settings=lambda w: settings(
            MapsSettings, dataset=w.dataset, model=w.model, subject=w.subject
        ),
        partition=partition_option,
        background=background_option,
        regions=regions_option,
        meshes=meshes_option,
        code=fingerprint("tristream.maps.encoding_maps"),
    shell:
        "python -m tristream maps draw --settings {params.settings:q}"
        " --subject {wildcards.subject} --encoding {input.encoding:q}"
        " --inference {input.inference:q} {params.partition}"
        " {params.background} {params.regions} {params.meshes}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule contrast_maps:
    input:
        fit=at("contrast"),
        background=background_of,
        regions=regions_of,
        meshes=meshes_of,
        lost=nothing_lost("contrast_maps"),
    output:
        maps=at("contrast_maps"),
        table=at("contrast_table"),
        sidecar=LAYOUT.sidecar("contrast_table"),
    log:
        LAYOUT.log("contrast_table"),
    benchmark:
        LAYOUT.benchmark("contrast_table")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("contrast_table"),
        runtime=minutes("contrast_table"),
    params:
        settings=lambda w: settings(
            ContrastMapsSettings,
            dataset=w.dataset,
            contrast=w.contrast,
            subject=w.subject,
        ),
        background=background_option,
        regions=regions_option,
        meshes=meshes_option,
        code=fingerprint("tristream.maps.contrast_maps"),
    shell:
        "python -m tristream maps contrast --settings {params.settings:q}"
        " --subject {wildcards.subject} --fit {input.fit:q} {params.background} {params.regions}"
        " {params.meshes} --table {output.table:q} --output {output.maps:q}"
        " --code {params.code} > {log:q} 2>&1"


rule group_maps:
    input:
        group=at("group"),
        lost=nothing_lost("group_maps"),
    output:
        at("group_maps"),
    log:
        LAYOUT.log("group_maps"),
    benchmark:
        LAYOUT.benchmark("group_maps")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("group_maps"),
        runtime=minutes("group_maps"),
    params:
        settings=lambda w: settings(GroupMapsSettings, dataset=w.dataset, name=w.model),
        code=fingerprint("tristream.maps.group_maps"),
    shell:
        "python -m tristream maps group --settings {params.settings:q} --group {input.group:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule group_contrast_maps:
    input:
        group=at("group_contrast"),
        lost=nothing_lost("group_contrast_maps"),
    output:
        at("group_contrast_maps"),
    log:
        LAYOUT.log("group_contrast_maps"),
    benchmark:
        LAYOUT.benchmark("group_contrast_maps")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("group_contrast_maps"),
        runtime=minutes("group_contrast_maps"),
    params:
        settings=lambda w: settings(
            GroupMapsSettings, dataset=w.dataset, name=w.contrast
        ),
        code=fingerprint("tristream.maps.group_maps"),
    shell:
        "python -m tristream maps group --settings {params.settings:q} --group {input.group:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"
