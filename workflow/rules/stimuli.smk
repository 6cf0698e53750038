# What was shown when, what is held out, and whether the test set leaks.


rule inventory:
    input:
        listing=rules.fetch_dataset.output,
        receipt=stimuli_receipt,
    output:
        inventory=f"{R}/stimuli/{{dataset}}/inventory.tsv",
        inventory_sidecar=f"{R}/stimuli/{{dataset}}/inventory.json",
        splits=f"{R}/stimuli/{{dataset}}/splits.tsv",
        splits_sidecar=f"{R}/stimuli/{{dataset}}/splits.json",
    log:
        f"{R}/logs/stimuli/{{dataset}}/inventory.log",
    benchmark:
        f"{R}/benchmarks/stimuli/{{dataset}}/inventory.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        descriptor=lambda w: dump(RESOLVED.datasets[w.dataset]),
        receipt=lambda w, input: f"--receipt {input.receipt}" if input.receipt else "",
        code=fingerprint("tristream.stimuli.inventory"),
    shell:
        "python -m tristream stimuli inventory --dataset {wildcards.dataset}"
        " --listing {input.listing} {params.receipt}"
        " --inventory {output.inventory} --splits {output.splits}"
        " --code {params.code} > {log} 2>&1"


rule leakage:
    input:
        inventory=rules.inventory.output.inventory,
        splits=rules.inventory.output.splits,
        receipt=stimuli_receipt,
    output:
        table=f"{R}/stimuli/{{dataset}}/leakage.tsv",
        sidecar=f"{R}/stimuli/{{dataset}}/leakage.json",
    log:
        f"{R}/logs/stimuli/{{dataset}}/leakage.log",
    benchmark:
        f"{R}/benchmarks/stimuli/{{dataset}}/leakage.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        leakage=dump(STUDY.leakage),
        known=lambda w: RESOLVED.datasets[w.dataset].stimuli.known_leaks,
        receipt=lambda w, input: f"--receipt {input.receipt}" if input.receipt else "",
        code=fingerprint("tristream.stimuli.leakage"),
    shell:
        "python -m tristream stimuli leakage --dataset {wildcards.dataset}"
        " --inventory {input.inventory} --splits {input.splits} {params.receipt}"
        " --output {output.table} --code {params.code} > {log} 2>&1"
