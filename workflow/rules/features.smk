# Feature spaces of the stimuli: one job a layer. The first job of a space computes all its missing
# layers in one pass of the media and leaves them in results/.chunks for the other jobs.


def features_input(wildcards):
    """Stimuli for films and sounds, the inventory for labels, the simulator's truth for latents."""
    dataset, media = wildcards.dataset, media_of(wildcards.space)
    if media == "truth":
        return {"truth": f"{R}/simulate/{dataset}/truth.h5"}
    if media == "label":
        return {"inventory": f"{R}/stimuli/{dataset}/inventory.tsv"}
    files = {"receipt": f"{R}/fetch/{dataset}/stimuli/receipt.json"}
    extractor = extractor_of(wildcards.space)
    if extractor.weights is not None:
        files["weights"] = f"{R}/fetch/weights/{extractor.name}/receipt.json"
    return files


def space_params(wildcards):
    """The space without its list of layers: another layer does not rerun this one."""
    block = STUDY.features[wildcards.space].model_copy(update={"layers": []})
    return dump(block)


rule features:
    input:
        unpack(features_input),
    output:
        f"{R}/features/{{dataset}}/{{space}}/{{layer}}.h5",
    log:
        f"{R}/logs/features/{{dataset}}/{{space}}/{{layer}}.log",
    benchmark:
        f"{R}/benchmarks/features/{{dataset}}/{{space}}/{{layer}}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=720,
        gpu=lambda w: int(STUDY.device == "cuda"),
    params:
        space=space_params,
        files=lambda w, input: " ".join(
            f"--{name} {file}" for name, file in input.items()
        ),
        code=lambda w: fingerprint(extractor_of(w.space).module),
    shell:
        "{RUN} features extract --config {CONFIG} --dataset {wildcards.dataset}"
        " --space {wildcards.space} --layer {wildcards.layer} {params.files}"
        " --output {output} --code {params.code} > {log} 2>&1"
