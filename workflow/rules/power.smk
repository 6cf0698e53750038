# What a study that is still to be scanned could find: only where `power:` names a design.

from tristream.config.settings.power import PowerSettings


rule power:
    input:
        design_files,
    output:
        analysis=at("power"),
        table=at("power_table"),
        sidecar=LAYOUT.sidecar("power_table"),
    log:
        LAYOUT.log("power"),
    benchmark:
        LAYOUT.benchmark("power")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("power"),
        runtime=minutes("power"),
    params:
        settings=lambda w: settings(PowerSettings, name=w.power),
        code=fingerprint("tristream.power.power_analysis"),
    shell:
        "python -m tristream power run --settings {params.settings:q}"
        " --output {output.analysis:q} --code {params.code} > {log:q} 2>&1"
