# Where the BOLD follows some conditions of an experiment more than others.

from tristream.config.settings.contrast import ContrastSettings


rule contrast:
    input:
        bold=lambda w: TARGETS.runs(w.dataset, w.subject),
        inventory=at("inventory"),
        inventory_sidecar=LAYOUT.sidecar("inventory"),
    output:
        at("contrast"),
    log:
        LAYOUT.log("contrast"),
    benchmark:
        LAYOUT.benchmark("contrast")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("contrast"),
        runtime=minutes("contrast"),
    params:
        settings=lambda w: settings(
            ContrastSettings, dataset=w.dataset, contrast=w.contrast, subject=w.subject
        ),
        code=fingerprint("tristream.contrast.contrast_fit"),
    shell:
        "python -m tristream contrast fit --settings {params.settings:q}"
        " --inventory {input.inventory:q} --bold {input.bold:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"
