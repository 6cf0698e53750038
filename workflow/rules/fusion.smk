# Feature spaces made from others: what they learn from the training stimuli, then one job a layer.


rule fusion_fit:
    input:
        parents=lambda w: fused_parents(w.dataset, w.fused),
        inventory=rules.inventory.output.inventory,
        splits=rules.inventory.output.splits,
    output:
        f"{R}/fusion/{{dataset}}/{{fused}}.h5",
    log:
        f"{R}/logs/fusion/{{dataset}}/{{fused}}.log",
    benchmark:
        f"{R}/benchmarks/fusion/{{dataset}}/{{fused}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        space=lambda w: fused_params(w.fused),
        code=fingerprint("tristream.features.fusion.fused_file"),
    shell:
        "python -m tristream features fit --dataset {wildcards.dataset}"
        " --space {wildcards.fused} --parents {input.parents}"
        " --inventory {input.inventory} --splits {input.splits}"
        " --output {output} --code {params.code} > {log} 2>&1"


rule fuse:
    input:
        parents=lambda w: fused_parents(w.dataset, w.fused),
        fit=rules.fusion_fit.output,
    output:
        f"{R}/features/{{dataset}}/{{fused}}/{{layer}}.h5",
    log:
        f"{R}/logs/features/{{dataset}}/{{fused}}/{{layer}}.log",
    benchmark:
        f"{R}/benchmarks/features/{{dataset}}/{{fused}}/{{layer}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        stream=lambda w: STUDY.fusion[w.fused].stream,
        code=fingerprint("tristream.features.fusion.fused_file"),
    shell:
        "python -m tristream features fuse --dataset {wildcards.dataset}"
        " --space {wildcards.fused} --layer {wildcards.layer} --parents {input.parents}"
        " --fit {input.fit} --output {output} --code {params.code} > {log} 2>&1"
