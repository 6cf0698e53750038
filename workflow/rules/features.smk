# Feature spaces of the stimuli: one job a layer. The first job of a space computes all its missing
# layers in one pass of the media and leaves them in results/.chunks for the other jobs.


rule features:
    input:
        unpack(features_input),
    output:
        f"{R}/features/{{dataset}}/{{space}}/{{layer}}.h5",
    log:
        f"{R}/logs/features/{{dataset}}/{{space}}/{{layer}}.log",
    benchmark:
        f"{R}/benchmarks/features/{{dataset}}/{{space}}/{{layer}}.tsv"
    conda:
        "../../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=lambda w: 8000 if OWN_FILES[w.space] or is_hub(w.space) else 3000,
        runtime=720,
        gpu=lambda w: int(STUDY.device == "cuda"),
    params:
        space=space_params,
        files=lambda w, input: " ".join(
            f"--{name} {file}" for name, file in input.items() if name != "own"
        ),
        code=lambda w: fingerprint(extractor_of(w.space).module),
    shell:
        "python -m tristream features extract --dataset {wildcards.dataset}"
        " --space {wildcards.space} --layer {wildcards.layer} {params.files}"
        " --output {output} --code {params.code} > {log} 2>&1"


use rule features as features_first with:
    # The pass of a space is begun by its first layer, before any other layer's job can take a core
    # to wait for it.
    wildcard_constraints:
        layer="|".join({layers[0] for layers in LAYERS.values()}) or "none",
    priority: 1


ruleorder: features_first > features
