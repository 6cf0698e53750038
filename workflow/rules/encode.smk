# Voxelwise encoding models; on request, unique and shared variance of their bands by nested models,
# how models compare, and what their weights tell about the haemodynamic response. The longest jobs
# go first: started last, they would leave the other cores with nothing to do.

from tristream.config.settings.encode import EncodeSettings
from tristream.config.settings.partition import PartitionSettings


rule encode:
    input:
        aligned=lambda w: TARGETS.aligned(
            w.dataset, w.subject, TARGETS.layers_of_model(w.model)
        ),
        bold=lambda w: TARGETS.runs(w.dataset, w.subject),
        samples=at("samples"),
    output:
        encoding=at("encoding"),
        weights=kept_weights(at("dual_weights")),
    log:
        LAYOUT.log("encoding"),
    benchmark:
        LAYOUT.benchmark("encoding")
    priority: 2
    conda:
        "../envs/tristream.yaml"
    threads: threads("encoding")
    resources:
        mem_mb=memory("encoding"),
        runtime=minutes("encoding"),
        gpu=int(STUDY.device == "cuda"),
    params:
        settings=lambda w: settings(EncodeSettings, dataset=w.dataset, model=w.model),
        code=fingerprint("tristream.encode.fit"),
    shell:
        "python -m tristream encode fit --settings {params.settings:q}"
        " --subject {wildcards.subject} --aligned {input.aligned:q}"
        " --bold {input.bold:q} --samples {input.samples:q}"
        " --output {output.encoding:q} --code {params.code} > {log:q} 2>&1"


rule partition:
    input:
        encoding=rules.encode.output.encoding,
        aligned=rules.encode.input.aligned,
        bold=rules.encode.input.bold,
        samples=rules.encode.input.samples,
    output:
        at("partition"),
    log:
        LAYOUT.log("partition"),
    benchmark:
        LAYOUT.benchmark("partition")
    priority: 3
    conda:
        "../envs/tristream.yaml"
    threads: threads("partition")
    resources:
        mem_mb=memory("partition"),
        runtime=minutes("partition"),
        gpu=int(STUDY.device == "cuda"),
    params:
        settings=lambda w: settings(PartitionSettings, dataset=w.dataset, model=w.model),
        code=fingerprint("tristream.encode.partition.nested_models"),
    shell:
        "python -m tristream encode partition --settings {params.settings:q}"
        " --encoding {input.encoding:q} --aligned {input.aligned:q}"
        " --bold {input.bold:q} --samples {input.samples:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


# What the next two read of the study stands in the encoding files.
rule responses:
    input:
        encoding=rules.encode.output.encoding,
        weights=rules.encode.output.weights,
        aligned=rules.encode.input.aligned,
    output:
        table=at("responses"),
        sidecar=LAYOUT.sidecar("responses"),
    log:
        LAYOUT.log("responses"),
    benchmark:
        LAYOUT.benchmark("responses")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("responses"),
        runtime=minutes("responses"),
    params:
        code=fingerprint("tristream.encode.band_responses"),
    shell:
        "python -m tristream encode weights --encoding {input.encoding:q}"
        " --output {output.table:q} --code {params.code} > {log:q} 2>&1"


rule selection:
    input:
        encodings=lambda w: TARGETS.encodings(w.dataset, [w.subject]),
        aligned=lambda w: TARGETS.aligned(
            w.dataset, w.subject, TARGETS.layers_in(w.dataset)
        ),
    output:
        table=at("selection"),
        sidecar=LAYOUT.sidecar("selection"),
    log:
        LAYOUT.log("selection"),
    benchmark:
        LAYOUT.benchmark("selection")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("selection"),
        runtime=minutes("selection"),
    params:
        code=fingerprint("tristream.encode.selection_table"),
    shell:
        "python -m tristream encode compare --encodings {input.encodings:q}"
        " --output {output.table:q} --code {params.code} > {log:q} 2>&1"
