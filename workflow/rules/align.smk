# Features at the times of the volumes, and the index of samples.

from tristream.config.settings.align import AlignSettings, SamplesSettings


rule align:
    input:
        features=at("features"),
        inventory=at("inventory"),
        inventory_sidecar=LAYOUT.sidecar("inventory"),
        bold=reference_bold,
    output:
        at("aligned"),
    log:
        LAYOUT.log("aligned"),
    benchmark:
        LAYOUT.benchmark("aligned")
    wildcard_constraints:
        space="|".join(LAYERS) or "none",
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("aligned"),
        runtime=minutes("aligned"),
    params:
        settings=lambda w: settings(
            AlignSettings, dataset=w.dataset, timeline=w.timeline
        ),
        code=fingerprint("tristream.align.aligned"),
    shell:
        "python -m tristream align features --settings {params.settings:q}"
        " --features {input.features:q} --inventory {input.inventory:q} --bold {input.bold:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule samples:
    input:
        inventory=at("inventory"),
        inventory_sidecar=LAYOUT.sidecar("inventory"),
        splits=at("splits"),
        splits_sidecar=LAYOUT.sidecar("splits"),
        leakage=at("leakage"),
        leakage_sidecar=LAYOUT.sidecar("leakage"),
        bold=lambda w: TARGETS.runs(w.dataset, w.subject),
    output:
        table=at("samples"),
        sidecar=LAYOUT.sidecar("samples"),
    log:
        LAYOUT.log("samples"),
    benchmark:
        LAYOUT.benchmark("samples")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("samples"),
        runtime=minutes("samples"),
    params:
        settings=lambda w: settings(
            SamplesSettings, dataset=w.dataset, subject=w.subject
        ),
        code=fingerprint("tristream.align.samples"),
    shell:
        "python -m tristream align samples --settings {params.settings:q}"
        " --inventory {input.inventory:q} --splits {input.splits:q}"
        " --leakage {input.leakage:q} --bold {input.bold:q}"
        " --output {output.table:q} --code {params.code} > {log:q} 2>&1"


rule lagscan:
    input:
        aligned=lambda w: TARGETS.aligned(
            w.dataset, w.subject, TARGETS.layers_in(w.dataset)
        ),
        bold=lambda w: TARGETS.runs(w.dataset, w.subject),
        samples=rules.samples.output.table,
        sidecar=rules.samples.output.sidecar,
    output:
        at("lagscan"),
    log:
        LAYOUT.log("lagscan"),
    benchmark:
        LAYOUT.benchmark("lagscan")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("lagscan"),
        runtime=minutes("lagscan"),
    params:
        code=fingerprint("tristream.align.lagscan"),
    shell:
        "python -m tristream align lagscan --aligned {input.aligned:q} --bold {input.bold:q}"
        " --samples {input.samples:q} --output {output:q} --code {params.code} > {log:q} 2>&1"
