# Which items are alike in a layer, and which in a region.

from tristream.config.settings.rsa import DissimilaritySettings, RsaSettings


rule dissimilarities:
    input:
        bold=lambda w: TARGETS.runs(w.dataset, w.subject),
        samples=at("samples"),
        samples_sidecar=LAYOUT.sidecar("samples"),
        features=lambda w: TARGETS.features(w.dataset, TARGETS.layers_of_rsa(w.rsa)),
        aligned=lambda w: TARGETS.aligned(
            w.dataset, w.subject, TARGETS.layers_of_rsa(w.rsa)
        ),
    output:
        at("dissimilarities"),
    log:
        LAYOUT.log("dissimilarities"),
    benchmark:
        LAYOUT.benchmark("dissimilarities")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("dissimilarities"),
        runtime=minutes("dissimilarities"),
    params:
        settings=lambda w: settings(DissimilaritySettings, dataset=w.dataset, rsa=w.rsa),
        code=fingerprint("tristream.rsa.item_patterns"),
    shell:
        "python -m tristream rsa measure --settings {params.settings:q}"
        " --bold {input.bold:q} --samples {input.samples:q}"
        " --features {input.features:q} --aligned {input.aligned:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule rsa:
    input:
        lambda w: TARGETS.subjects("dissimilarities", w.dataset, rsa=w.rsa),
    output:
        table=at("rsa"),
        sidecar=LAYOUT.sidecar("rsa"),
    log:
        LAYOUT.log("rsa"),
    benchmark:
        LAYOUT.benchmark("rsa")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("rsa"),
        runtime=minutes("rsa"),
    params:
        settings=lambda w: settings(RsaSettings, dataset=w.dataset, rsa=w.rsa),
        subjects=lambda w: RESOLVED.subjects[w.dataset],
        code=fingerprint("tristream.rsa.similarity_fit"),
    shell:
        "python -m tristream rsa compare --settings {params.settings:q}"
        " --dissimilarities {input:q} --subjects {params.subjects}"
        " --output {output.table:q} --code {params.code} > {log:q} 2>&1"
