# What a study that is still to be scanned could find: only where `power:` names a design.


rule power:
    input:
        design_files,
    output:
        analysis=f"{R}/power/{{power}}.h5",
        table=f"{R}/power/{{power}}.tsv",
    log:
        f"{R}/logs/power/{{power}}.log",
    benchmark:
        f"{R}/benchmarks/power/{{power}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        design=lambda w: dump(STUDY.power[w.power]),
        inference=inference_keys("permutations", "fdr", "procedure", "seed"),
        code=fingerprint("tristream.power.power_file"),
    shell:
        "python -m tristream power run --name {wildcards.power} --output {output.analysis}"
        " --code {params.code} > {log} 2>&1"
