# What was seen, from the brain.

from tristream.config.settings.across_subjects import AcrossSubjectsSettings
from tristream.config.settings.decode import DecodeSettings
from tristream.config.settings.identification import IdentificationSettings
from tristream.config.settings.networks import NetworkSettings
from tristream.config.settings.profile import ProfileSettings
from tristream.config.settings.univariate import UnivariateSettings


rule decode:
    input:
        bold=lambda w: TARGETS.runs(w.dataset, w.subject),
        samples=at("samples"),
    output:
        at("decoding"),
    log:
        LAYOUT.log("decoding"),
    benchmark:
        LAYOUT.benchmark("decoding")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("decoding"),
        runtime=minutes("decoding"),
    params:
        settings=lambda w: settings(
            DecodeSettings, dataset=w.dataset, decoder=w.decoder
        ),
        code=fingerprint("tristream.decode.decoding"),
    shell:
        "python -m tristream decode fit --settings {params.settings:q}"
        " --subject {wildcards.subject} --bold {input.bold:q} --samples {input.samples:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule decode_across_subjects:
    input:
        bold=lambda w: TARGETS.runs_of_all(w.dataset),
        samples=lambda w: TARGETS.subjects("samples", w.dataset),
    output:
        at("across_subjects"),
    log:
        LAYOUT.log("across_subjects"),
    benchmark:
        LAYOUT.benchmark("across_subjects")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("across_subjects"),
        runtime=minutes("across_subjects"),
    params:
        settings=lambda w: settings(
            AcrossSubjectsSettings, dataset=w.dataset, decoder=w.decoder
        ),
        code=fingerprint("tristream.decode.across_subjects"),
    shell:
        "python -m tristream decode across-subjects --settings {params.settings:q}"
        " --bold {input.bold:q} --samples {input.samples:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule searchlight:
    input:
        bold=lambda w: TARGETS.runs(w.dataset, w.subject),
        samples=at("samples"),
        meshes=meshes_of,
    output:
        at("searchlight"),
    log:
        LAYOUT.log("searchlight"),
    benchmark:
        LAYOUT.benchmark("searchlight")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("searchlight"),
        runtime=minutes("searchlight"),
    params:
        settings=lambda w: settings(
            ProfileSettings, dataset=w.dataset, decoder=w.decoder, parts="searchlight"
        ),
        meshes=meshes_option,
        code=fingerprint("tristream.decode.profile_fit"),
    shell:
        "python -m tristream decode profile --settings {params.settings:q}"
        " --bold {input.bold:q} --samples {input.samples:q} {params.meshes}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule decode_regions:
    input:
        bold=lambda w: TARGETS.runs(w.dataset, w.subject),
        samples=at("samples"),
    output:
        at("region_profile"),
    log:
        LAYOUT.log("region_profile"),
    benchmark:
        LAYOUT.benchmark("region_profile")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("region_profile"),
        runtime=minutes("region_profile"),
    params:
        settings=lambda w: settings(
            ProfileSettings, dataset=w.dataset, decoder=w.decoder, parts="regions"
        ),
        code=fingerprint("tristream.decode.profile_fit"),
    shell:
        "python -m tristream decode profile --settings {params.settings:q}"
        " --bold {input.bold:q} --samples {input.samples:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule decode_times:
    input:
        bold=lambda w: TARGETS.runs(w.dataset, w.subject),
        samples=at("samples"),
    output:
        at("time_profile"),
    log:
        LAYOUT.log("time_profile"),
    benchmark:
        LAYOUT.benchmark("time_profile")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("time_profile"),
        runtime=minutes("time_profile"),
    params:
        settings=lambda w: settings(
            ProfileSettings, dataset=w.dataset, decoder=w.decoder, parts="times"
        ),
        code=fingerprint("tristream.decode.profile_fit"),
    shell:
        "python -m tristream decode profile --settings {params.settings:q}"
        " --bold {input.bold:q} --samples {input.samples:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule identify:
    input:
        bold=lambda w: TARGETS.runs(w.dataset, w.subject),
        samples=at("samples"),
        samples_sidecar=LAYOUT.sidecar("samples"),
        features=lambda w: TARGETS.features(
            w.dataset, TARGETS.layers_of_identification(w.identification)
        ),
        aligned=lambda w: TARGETS.aligned(
            w.dataset, w.subject, TARGETS.layers_of_identification(w.identification)
        ),
        candidates=lambda w: TARGETS.own_candidates(w.identification),
    output:
        rows=at("identification"),
        rows_sidecar=LAYOUT.sidecar("identification"),
        sets=at("identification_sets"),
        sets_sidecar=LAYOUT.sidecar("identification_sets"),
    log:
        LAYOUT.log("identification"),
    benchmark:
        LAYOUT.benchmark("identification")
    wildcard_constraints:
        identification=one_of(
            name for name, one in STUDY.identification.items() if not one.model
        ),
    conda:
        "../envs/tristream.yaml"
    threads: 2
    resources:
        mem_mb=memory("identification"),
        runtime=minutes("identification"),
        gpu=int(STUDY.device == "cuda"),
    params:
        settings=lambda w: settings(
            IdentificationSettings,
            dataset=w.dataset,
            identification=w.identification,
        ),
        candidates=candidates_option,
        code=fingerprint("tristream.decode.identification_fit"),
    shell:
        "python -m tristream decode identify --settings {params.settings:q}"
        " --bold {input.bold:q} --samples {input.samples:q}"
        " --features {input.features:q} --aligned {input.aligned:q} {params.candidates}"
        " --output {output.rows:q} --sets {output.sets:q} --code {params.code} > {log:q} 2>&1"


rule train_network:
    input:
        bold=lambda w: TARGETS.runs(w.dataset, w.subject),
        samples=at("samples"),
        samples_sidecar=LAYOUT.sidecar("samples"),
        inventory=at("inventory"),
        inventory_sidecar=LAYOUT.sidecar("inventory"),
        receipt=at("stimuli_receipt"),
    output:
        at("network_regimes"),
    log:
        LAYOUT.log("network_regimes"),
    benchmark:
        LAYOUT.benchmark("network_regimes")
    conda:
        "../envs/tristream.yaml"
    threads: 2
    resources:
        mem_mb=memory("network_regimes"),
        runtime=minutes("network_regimes"),
        gpu=int(STUDY.device == "cuda"),
    params:
        settings=lambda w: settings(
            NetworkSettings, dataset=w.dataset, network=w.network, subject=w.subject
        ),
        code=fingerprint("tristream.networks.regimes_fit"),
    shell:
        "python -m tristream decode network --settings {params.settings:q}"
        " --bold {input.bold:q} --samples {input.samples:q} --inventory {input.inventory:q}"
        " --receipt {input.receipt:q} --output {output:q} --code {params.code} > {log:q} 2>&1"


rule univariate:
    input:
        bold=lambda w: TARGETS.runs(w.dataset, w.subject),
        samples=at("samples"),
    output:
        at("mass_univariate"),
    log:
        LAYOUT.log("mass_univariate"),
    benchmark:
        LAYOUT.benchmark("mass_univariate")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("mass_univariate"),
        runtime=minutes("mass_univariate"),
    params:
        settings=lambda w: settings(UnivariateSettings, dataset=w.dataset, pair=w.pair),
        code=fingerprint("tristream.decode.mass_univariate"),
    shell:
        "python -m tristream decode univariate --settings {params.settings:q}"
        " --bold {input.bold:q} --samples {input.samples:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"
