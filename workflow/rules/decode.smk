# What was seen, from the brain.

from tristream.config.settings.decode import DecodeSettings


rule decode:
    input:
        bold=lambda w: TARGETS.runs(w.dataset, w.subject),
        samples=at("samples"),
    output:
        at("decoding"),
    log:
        LAYOUT.log("decoding"),
    benchmark:
        LAYOUT.benchmark("decoding")
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        settings=lambda w: settings(
            DecodeSettings, dataset=w.dataset, decoder=w.decoder
        ),
        code=fingerprint("tristream.decode.decoding"),
    shell:
        "python -m tristream decode fit --settings {params.settings}"
        " --subject {wildcards.subject} --bold {input.bold} --samples {input.samples}"
        " --output {output} --code {params.code} > {log} 2>&1"
