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
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        layout=lambda w: dump(RESOLVED.datasets[w.dataset].layout),
        trims=lambda w: dump(RESOLVED.datasets[w.dataset].trims),
        tr=lambda w: RESOLVED.datasets[w.dataset].tr,
        code=fingerprint("tristream.bold.prepare", "tristream.bold.run_file"),
    shell:
        "{RUN} bold prepare --config {CONFIG} --dataset {wildcards.dataset}"
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
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    shell:
        "{RUN} bold index --config {CONFIG} --dataset {wildcards.dataset}"
        " --subject {wildcards.subject} --runs {input} --output {output} > {log} 2>&1"
