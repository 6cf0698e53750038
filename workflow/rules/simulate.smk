# BOLD with known ground truth, written as a BIDS dataset that enters at fetch like any other.

from tristream.config.settings.simulate import SimulateSettings


rule simulate:
    input:
        stimuli=at("stimuli_receipt"),
        features=preset_features,
        atlas=lambda w: LAYOUT.path("preset_atlas", preset=preset_of(w)),
    output:
        # The dataset itself is a folder beside these: DataLad clones it from there.
        commit=at("commit"),
        truth=at("truth"),
    log:
        LAYOUT.log("truth"),
    benchmark:
        LAYOUT.benchmark("truth")
    priority: 1
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("truth"),
        runtime=minutes("truth"),
    params:
        folder=lambda w, output: str(Path(output.commit).with_name("dataset")),
        settings=lambda w: settings(SimulateSettings, dataset=w.dataset),
        code=fingerprint("tristream.simulate.dataset"),
    shell:
        "python -m tristream simulate dataset --settings {params.settings:q}"
        " --receipt {input.stimuli:q} --features {input.features:q}"
        " --atlas {input.atlas:q} --output {params.folder:q} --commit {output.commit:q}"
        " --truth {output.truth:q} --code {params.code} > {log:q} 2>&1"
