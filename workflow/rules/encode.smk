# Voxelwise banded ridge.


rule encode:
    input:
        aligned=lambda w: [
            aligned_file(w.dataset, w.subject, *p) for p in spaces_of(w.model)
        ],
        bold=lambda w: bold_files(w.dataset, w.subject),
        samples=rules.samples.output.table,
    output:
        f"{R}/encode/{{dataset}}/{{model}}/sub-{{subject}}.h5",
    log:
        f"{R}/logs/encode/{{dataset}}/{{model}}/sub-{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/encode/{{dataset}}/{{model}}/sub-{{subject}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=int(STUDY.device == "cuda"),
    params:
        model=lambda w: dump(STUDY.models[w.model]),
        code=fingerprint("tristream.encode.fit"),
    shell:
        "python -m tristream encode fit --dataset {wildcards.dataset}"
        " --model {wildcards.model} --subject {wildcards.subject} --aligned {input.aligned}"
        " --bold {input.bold} --samples {input.samples}"
        " --output {output} --code {params.code} > {log} 2>&1"
