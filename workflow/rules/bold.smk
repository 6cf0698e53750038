# The measured responses, cleaned, one file a run.


rule bold:
    input:
        f"{R}/fetch/{{dataset}}/sub-{{subject}}/receipt.json",
    output:
        f"{R}/bold/{{dataset}}/sub-{{subject}}/{{run}}.h5",
    log:
        f"{R}/logs/bold/{{dataset}}/sub-{{subject}}/{{run}}.log",
    benchmark:
        f"{R}/benchmarks/bold/{{dataset}}/sub-{{subject}}/{{run}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        layout=lambda w: dump(RESOLVED.datasets[w.dataset].layout),
        trims=lambda w: dump(RESOLVED.datasets[w.dataset].trims),
        trials=lambda w: dump_trials(RESOLVED.datasets[w.dataset]),
        tr=lambda w: RESOLVED.datasets[w.dataset].tr,
        code=fingerprint("tristream.bold.prepare", "tristream.bold.run_file"),
    shell:
        "python -m tristream bold prepare --dataset {wildcards.dataset}"
        " --subject {wildcards.subject} --run {wildcards.run} --receipt {input}"
        " --output {output} --code {params.code} > {log} 2>&1"


rule bold_index:
    input:
        lambda w: bold_files(w.dataset, w.subject),
    output:
        f"{R}/bold/{{dataset}}/sub-{{subject}}/index.json",
    log:
        f"{R}/logs/bold/{{dataset}}/sub-{{subject}}/index.log",
    benchmark:
        f"{R}/benchmarks/bold/{{dataset}}/sub-{{subject}}/index.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    shell:
        "python -m tristream bold index --dataset {wildcards.dataset}"
        " --subject {wildcards.subject} --runs {input} --output {output} > {log} 2>&1"
