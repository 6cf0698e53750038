# What was seen, from the brain.


rule decode:
    input:
        bold=lambda w: bold_files(w.dataset, w.subject),
        samples=rules.samples.output.table,
    output:
        f"{R}/decode/{{dataset}}/{{decoder}}/sub-{{subject}}.h5",
    log:
        f"{R}/logs/decode/{{dataset}}/{{decoder}}/sub-{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/decode/{{dataset}}/{{decoder}}/sub-{{subject}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        decoder=lambda w: dump(STUDY.decoders[w.decoder]),
        code=fingerprint("tristream.decode.decoding"),
    shell:
        "python -m tristream decode fit --dataset {wildcards.dataset}"
        " --decoder {wildcards.decoder} --subject {wildcards.subject} --bold {input.bold}"
        " --samples {input.samples} --output {output} --code {params.code} > {log} 2>&1"
