# Feature spaces made from others: what they learn from the training stimuli, then one job a layer.

from tristream.config.settings.fusion import FusionSettings


rule fusion_fit:
    input:
        parents=lambda w: TARGETS.parent_files(w.dataset, w.fused),
        inventory=at("inventory"),
        splits=at("splits"),
    output:
        at("fusion"),
    log:
        LAYOUT.log("fusion"),
    benchmark:
        LAYOUT.benchmark("fusion")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("fusion"),
        runtime=minutes("fusion"),
    params:
        settings=lambda w: settings(FusionSettings, dataset=w.dataset, fused=w.fused),
        code=fingerprint("tristream.features.fusion.derived_space"),
    shell:
        "python -m tristream features fit --settings {params.settings:q}"
        " --parents {input.parents:q} --inventory {input.inventory:q} --splits {input.splits:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule fuse:
    input:
        parents=lambda w: TARGETS.parent_files(w.dataset, w.fused),
        fit=at("fusion"),
    output:
        at("fused"),
    log:
        LAYOUT.log("fused"),
    benchmark:
        LAYOUT.benchmark("fused")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("fused"),
        runtime=minutes("fused"),
    params:
        settings=lambda w: settings(FusionSettings, dataset=w.dataset, fused=w.fused),
        code=fingerprint("tristream.features.fusion.derived_space"),
    shell:
        "python -m tristream features fuse --settings {params.settings:q}"
        " --parents {input.parents:q} --fit {input.fit:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"
