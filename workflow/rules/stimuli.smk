# What was shown when, what is held out, and whether the test set leaks.

from tristream.config.settings.stimuli import LeakageSettings


rule inventory:
    input:
        listing=rules.fetch_dataset.output,
        receipt=stimuli_receipt,
    output:
        inventory=at("inventory"),
        inventory_sidecar=LAYOUT.sidecar("inventory"),
        splits=at("splits"),
        splits_sidecar=LAYOUT.sidecar("splits"),
    log:
        LAYOUT.log("inventory"),
    benchmark:
        LAYOUT.benchmark("inventory")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("inventory"),
        runtime=minutes("inventory"),
    params:
        settings=inventory_settings,
        receipt=lambda w, input: option("--receipt", input.receipt),
        code=fingerprint("tristream.stimuli.inventory"),
    shell:
        "python -m tristream stimuli inventory --settings {params.settings:q}"
        " --listing {input.listing:q} {params.receipt}"
        " --inventory {output.inventory:q} --splits {output.splits:q}"
        " --code {params.code} > {log:q} 2>&1"


rule leakage:
    input:
        inventory=at("inventory"),
        inventory_sidecar=LAYOUT.sidecar("inventory"),
        splits=at("splits"),
        splits_sidecar=LAYOUT.sidecar("splits"),
        receipt=stimuli_receipt,
    output:
        table=at("leakage"),
        sidecar=LAYOUT.sidecar("leakage"),
    log:
        LAYOUT.log("leakage"),
    benchmark:
        LAYOUT.benchmark("leakage")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("leakage"),
        runtime=minutes("leakage"),
    params:
        settings=lambda w: settings(LeakageSettings, dataset=w.dataset),
        receipt=lambda w, input: option("--receipt", input.receipt),
        code=fingerprint("tristream.stimuli.leakage"),
    shell:
        "python -m tristream stimuli leakage --settings {params.settings:q}"
        " --inventory {input.inventory:q} --splits {input.splits:q} {params.receipt}"
        " --output {output.table:q} --code {params.code} > {log:q} 2>&1"
