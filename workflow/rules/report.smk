# The page that a researcher reads.


rule report:
    input:
        report_input,
    output:
        # In Snakemake's own report (`snakemake --report`) the pages stand as they are.
        report(
            directory(f"{R}/report"),
            caption="../report/study.rst",
            category="Study",
            htmlindex="index.html",
        ),
    log:
        f"{R}/logs/report.log",
    benchmark:
        f"{R}/benchmarks/report.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 4
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        title=STUDY.title,
        code=fingerprint("tristream.report.build"),
    shell:
        "python -m tristream report build --output {output}/index.html --workers {threads}"
        " --code {params.code} > {log} 2>&1"
