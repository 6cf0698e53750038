# BOLD with known ground truth, written as a BIDS dataset that enters at fetch like any other.


rule simulate:
    input:
        stimuli=rules.fetch_stimuli.output,
        features=preset_features,
        atlas=lambda w: f"{R}/fetch/atlas/{RESOLVED.datasets[w.dataset].source.preset}/receipt.json",
    output:
        # The dataset itself is a folder beside these: DataLad clones it from there.
        commit=f"{R}/simulate/{{dataset}}/commit.txt",
        truth=f"{R}/simulate/{{dataset}}/truth.h5",
    log:
        f"{R}/logs/simulate/{{dataset}}.log",
    benchmark:
        f"{R}/benchmarks/simulate/{{dataset}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        folder=f"{R}/simulate/{{dataset}}/dataset",
        name=lambda w: RESOLVED.datasets[w.dataset].source.preset,
        preset=lambda w: dump(preset_of(w.dataset)),
        code=lambda w: fingerprint("tristream.simulate.dataset"),
    shell:
        "python -m tristream simulate dataset --dataset {wildcards.dataset}"
        " --preset {params.name} --receipt {input.stimuli} --features {input.features}"
        " --atlas {input.atlas} --output {params.folder} --commit {output.commit}"
        " --truth {output.truth} --code {params.code} > {log} 2>&1"
