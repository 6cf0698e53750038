# The page that a researcher reads.


def report_input(wildcards):
    """Everything that the report shows."""
    files = []
    for dataset, descriptor in RESOLVED.datasets.items():
        files += per_subject(dataset, "{R}/bold/{dataset}/sub-{subject}/index.json")
        files += per_subject(dataset, "{R}/fetch/{dataset}/sub-{subject}/receipt.json")
        files.append(f"{R}/stimuli/{dataset}/leakage.tsv")
        if spaces_in(dataset):
            files += per_subject(
                dataset, "{R}/align/{dataset}/sub-{subject}_lagscan.h5"
            )
        if is_simulated(dataset) and any(
            dataset in m.datasets for m in STUDY.models.values()
        ):
            files.append(f"{R}/inference/{dataset}/recovery.tsv")
    files += analyses(STUDY.models, "{R}/maps/{dataset}/{name}/sub-{subject}/maps.json")
    files += analyses(STUDY.decoders, "{R}/decode/{dataset}/{name}/sub-{subject}.h5")
    return files


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
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        title=STUDY.title,
        code=fingerprint("tristream.report.build"),
    shell:
        "{RUN} report build --config {CONFIG} --output {output}/index.html --code {params.code} > {log} 2>&1"
