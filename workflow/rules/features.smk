# Feature spaces of the stimuli: one job a space and dataset, which computes all its layers in one
# pass. Layers that a study adds to a space whose files are there are a job of their own.

from tristream.features.core.jobs import feature_jobs, running_rules, settings_of

for JOB in feature_jobs(RESOLVED, SPACES, running_rules(sys.argv)):

    rule:
        name:
            JOB.name
        input:
            JOB.files,
        output:
            JOB.outputs,
        log:
            JOB.place(LAYOUT.log("features")),
        benchmark:
            JOB.place(LAYOUT.benchmark("features"))
        priority: 1
        conda:
            "../envs/tristream.yaml"
        threads: 1
        resources:
            mem_mb=memory("features", dataset=JOB.dataset, space=JOB.space),
            runtime=minutes("features", dataset=JOB.dataset, space=JOB.space),
            gpu=JOB.gpu,
        params:
            settings=write_settings(settings_of(RESOLVED, JOB.dataset, JOB.space)),
            files=JOB.arguments,
            code=fingerprint(*JOB.modules),
        shell:
            "python -m tristream features extract --settings {params.settings:q} {params.files}"
            " --output {output:q} --code {params.code} > {log:q} 2>&1"
