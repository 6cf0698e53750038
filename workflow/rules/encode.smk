# Voxelwise encoding models; on request, how they compare and what their weights say of the HRF.


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


rule responses:
    input:
        encoding=rules.encode.output,
        aligned=rules.encode.input.aligned,
    output:
        table=f"{R}/encode/{{dataset}}/{{model}}/sub-{{subject}}_responses.tsv",
        sidecar=f"{R}/encode/{{dataset}}/{{model}}/sub-{{subject}}_responses.json",
    log:
        f"{R}/logs/encode/{{dataset}}/{{model}}/sub-{{subject}}_responses.log",
    benchmark:
        f"{R}/benchmarks/encode/{{dataset}}/{{model}}/sub-{{subject}}_responses.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=fingerprint("tristream.encode.band_responses"),
    shell:
        "python -m tristream encode weights --encoding {input.encoding}"
        " --output {output.table} --code {params.code} > {log} 2>&1"


rule selection:
    input:
        encodings=lambda w: [
            f"{R}/encode/{w.dataset}/{name}/sub-{w.subject}.h5"
            for name, model in STUDY.models.items()
            if w.dataset in model.datasets
        ],
        aligned=lambda w: [
            aligned_file(w.dataset, w.subject, *p) for p in spaces_in(w.dataset)
        ],
    output:
        table=f"{R}/encode/{{dataset}}/sub-{{subject}}_selection.tsv",
        sidecar=f"{R}/encode/{{dataset}}/sub-{{subject}}_selection.json",
    log:
        f"{R}/logs/encode/{{dataset}}/sub-{{subject}}_selection.log",
    benchmark:
        f"{R}/benchmarks/encode/{{dataset}}/sub-{{subject}}_selection.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=fingerprint("tristream.encode.criteria_table"),
    shell:
        "python -m tristream encode compare --encodings {input.encodings}"
        " --output {output.table} --code {params.code} > {log} 2>&1"
