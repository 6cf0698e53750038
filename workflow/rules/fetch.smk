# Data from OpenNeuro (DataLad), the package index or a folder. Local rules: they need the network,
# compute jobs do not.


localrules:
    fetch_dataset,
    fetch_subject,
    fetch_stimuli,
    fetch_weights,
    fetch_atlas,
    drop,


rule fetch_dataset:
    input:
        commit_file,
    output:
        f"{R}/fetch/{{dataset}}/dataset.json",
    log:
        f"{R}/logs/fetch/{{dataset}}/dataset.log",
    benchmark:
        f"{R}/benchmarks/fetch/{{dataset}}/dataset.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        source=lambda w: dump(RESOLVED.datasets[w.dataset].source),
        accept=lambda w: accepted(w.dataset),
    shell:
        "python -m tristream fetch dataset --dataset {wildcards.dataset}"
        " --output {output} > {log} 2>&1"


rule fetch_subject:
    input:
        listing=rules.fetch_dataset.output,
        # Stimuli that only the user has are checked before gigabytes are got.
        stimuli=lambda w: ancient(stimuli_receipt(w)),
    output:
        f"{R}/fetch/{{dataset}}/sub-{{subject}}/receipt.json",
    log:
        f"{R}/logs/fetch/{{dataset}}/sub-{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/fetch/{{dataset}}/sub-{{subject}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=1440,
        download_mb=lambda w: download_mb(w.dataset, w.subject),
    params:
        layout=lambda w: dump(RESOLVED.datasets[w.dataset].layout),
        runs=lambda w: RESOLVED.datasets[w.dataset].runs_of(w.subject),
        accept=lambda w: accepted(w.dataset),
    shell:
        "python -m tristream fetch subject --dataset {wildcards.dataset}"
        " --subject {wildcards.subject} --listing {input.listing} --output {output} > {log} 2>&1"


rule fetch_stimuli:
    output:
        f"{R}/fetch/{{dataset}}/stimuli/receipt.json",
    log:
        f"{R}/logs/fetch/{{dataset}}/stimuli.log",
    benchmark:
        f"{R}/benchmarks/fetch/{{dataset}}/stimuli.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        stimuli=lambda w: dump(RESOLVED.datasets[w.dataset].stimuli),
    shell:
        "python -m tristream fetch stimuli --dataset {wildcards.dataset}"
        " --output {output} > {log} 2>&1"


rule fetch_weights:
    output:
        f"{R}/fetch/weights/{{space}}/receipt.json",
    log:
        f"{R}/logs/fetch/weights/{{space}}.log",
    benchmark:
        f"{R}/benchmarks/fetch/weights/{{space}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        source=lambda w: dump(SPACES[w.space].weights),
    shell:
        "python -m tristream fetch weights --space {wildcards.space}"
        " --output {output} > {log} 2>&1"


rule fetch_atlas:
    output:
        f"{R}/fetch/atlas/{{preset}}/receipt.json",
    log:
        f"{R}/logs/fetch/atlas/{{preset}}.log",
    benchmark:
        f"{R}/benchmarks/fetch/atlas/{{preset}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        atlas=lambda w: dump(load_preset(w.preset).atlas),
    shell:
        "python -m tristream fetch atlas --preset {wildcards.preset}"
        " --output {output} > {log} 2>&1"


rule drop:
    input:
        receipt=rules.fetch_subject.output,
        used=lambda w: bold_files(w.dataset, w.subject),
    output:
        f"{R}/fetch/{{dataset}}/sub-{{subject}}/dropped.json",
    log:
        f"{R}/logs/fetch/{{dataset}}/sub-{{subject}}_drop.log",
    benchmark:
        f"{R}/benchmarks/fetch/{{dataset}}/sub-{{subject}}_drop.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    shell:
        "python -m tristream fetch drop --receipt {input.receipt}"
        " --output {output} > {log} 2>&1"
