# What was shown when, what is held out, and whether the test set leaks.


def stimuli_receipt(wildcards):
    dataset = wildcards.dataset
    return f"{R}/fetch/{dataset}/stimuli/receipt.json" if has_media(dataset) else []


rule inventory:
    input:
        listing=rules.fetch_dataset.output,
        receipt=stimuli_receipt,
    output:
        inventory=table(f"{R}/stimuli/{{dataset}}/inventory.tsv"),
        splits=table(f"{R}/stimuli/{{dataset}}/splits.tsv"),
    log:
        f"{R}/logs/stimuli/{{dataset}}/inventory.log",
    benchmark:
        f"{R}/benchmarks/stimuli/{{dataset}}/inventory.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        descriptor=lambda w: dump(RESOLVED.datasets[w.dataset]),
        subjects=lambda w: RESOLVED.subjects[w.dataset],
        receipt=lambda w, input: f"--receipt {input.receipt}" if input.receipt else "",
        code=fingerprint("tristream.stimuli.inventory", "tristream.stimuli.splits"),
    shell:
        "{RUN} stimuli inventory --config {CONFIG} --dataset {wildcards.dataset}"
        " --listing {input.listing} {params.receipt}"
        " --inventory {output.inventory[0]} --splits {output.splits[0]}"
        " --code {params.code} > {log} 2>&1"


rule leakage:
    input:
        inventory=rules.inventory.output.inventory,
        splits=rules.inventory.output.splits,
        receipt=stimuli_receipt,
    output:
        table(f"{R}/stimuli/{{dataset}}/leakage.tsv"),
    log:
        f"{R}/logs/stimuli/{{dataset}}/leakage.log",
    benchmark:
        f"{R}/benchmarks/stimuli/{{dataset}}/leakage.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        leakage=dump(STUDY.leakage),
        receipt=lambda w, input: f"--receipt {input.receipt}" if input.receipt else "",
        code=fingerprint("tristream.stimuli.leakage"),
    shell:
        "{RUN} stimuli leakage --config {CONFIG} --dataset {wildcards.dataset}"
        " --inventory {input.inventory[0]} --splits {input.splits[0]} {params.receipt}"
        " --output {output[0]} --code {params.code} > {log} 2>&1"
