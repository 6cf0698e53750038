# The page that a researcher reads.

from tristream.config.settings.report import ReportSettings
from tristream.report.declared import paths


rule report:
    input:
        lambda w: paths(RESOLVED, SPACES),
        nothing_lost("report_files", "report"),
    output:
        # In Snakemake's own report (`snakemake --report`) the pages stand as they are.
        report(
            directory(at("report")),
            caption="../report/study.rst",
            category="Study",
            htmlindex="index.html",
        ),
    log:
        LAYOUT.log("report"),
    benchmark:
        LAYOUT.benchmark("report")
    conda:
        "../envs/tristream.yaml"
    threads: 4
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        settings=lambda w: settings(ReportSettings),
        # Pages show what reached each space's computation.
        code=fingerprint(
            "tristream.report.build",
            "tristream.config.settings.report",
            *sorted({space.extractor.module for space in SPACES.values()}),
        ),
    shell:
        "python -m tristream report build --settings {params.settings:q}"
        " --output {output:q}/index.html --workers {threads} --code {params.code} > {log:q} 2>&1"
