# From stored predictions: p values, comparisons, tables, the group; for simulated data, what was
# recovered of the truth.

from tristream.config.settings.identification import IdentificationSettings
from tristream.config.settings.maps import DataSettings
from tristream.config.settings.inference import (
    CompareSettings,
    GroupSettings,
    InferenceSettings,
    PartitionTestSettings,
)
from tristream.config.settings.recovery import RecoverySettings


localrules:
    fetch_regions,


rule inference:
    input:
        encoding=at("encoding"),
        # Read where they change places; the encoding names them, and its weights lie beside it.
        aligned=rules.encode.input.aligned,
        weights=moved_weights,
        meshes=meshes_of,
    output:
        at("inference"),
    log:
        LAYOUT.log("inference"),
    benchmark:
        LAYOUT.benchmark("inference")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("inference"),
        runtime=minutes("inference"),
    params:
        settings=lambda w: settings(InferenceSettings, dataset=w.dataset),
        meshes=meshes_option,
        code=fingerprint("tristream.inference.encoding"),
    shell:
        "python -m tristream inference encoding --settings {params.settings:q} --encoding {input.encoding:q}"
        " {params.meshes} --output {output:q} --code {params.code} > {log:q} 2>&1"


rule identify_by_encoder:
    input:
        encoding=lambda w: LAYOUT.path(
            "encoding",
            dataset=w.dataset,
            subject=w.subject,
            model=STUDY.identification[w.identification].model,
        ),
        bold=lambda w: TARGETS.runs(w.dataset, w.subject)[:1],
        samples=at("samples"),
        samples_sidecar=LAYOUT.sidecar("samples"),
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
            name for name, one in STUDY.identification.items() if one.model
        ),
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("identification"),
        runtime=minutes("identification"),
    params:
        settings=lambda w: settings(
            IdentificationSettings,
            dataset=w.dataset,
            identification=w.identification,
        ),
        code=fingerprint("tristream.inference.encoder_identification"),
    shell:
        "python -m tristream inference identify --settings {params.settings:q}"
        " --encoding {input.encoding:q} --bold {input.bold:q} --samples {input.samples:q}"
        " --output {output.rows:q} --sets {output.sets:q} --code {params.code} > {log:q} 2>&1"


rule recovery:
    input:
        truth=at("truth"),
        encodings=lambda w: TARGETS.encodings(w.dataset),
    output:
        table=at("recovery"),
        sidecar=LAYOUT.sidecar("recovery"),
    log:
        LAYOUT.log("recovery"),
    benchmark:
        LAYOUT.benchmark("recovery")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("recovery"),
        runtime=minutes("recovery"),
    params:
        settings=lambda w: settings(RecoverySettings, dataset=w.dataset),
        code=fingerprint("tristream.inference.recovery"),
    shell:
        "python -m tristream inference recovery --settings {params.settings:q}"
        " --truth {input.truth:q} --encodings {input.encodings:q}"
        " --output {output.table:q} --code {params.code} > {log:q} 2>&1"


rule compare:
    input:
        first=at("encoding").replace("{model}", "{first}"),
        second=at("encoding").replace("{model}", "{second}"),
        regions=regions_of,
    output:
        at("comparison"),
    log:
        LAYOUT.log("comparison"),
    benchmark:
        LAYOUT.benchmark("comparison")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("comparison"),
        runtime=minutes("comparison"),
    params:
        settings=lambda w: settings(CompareSettings, dataset=w.dataset),
        regions=regions_option,
        code=fingerprint("tristream.inference.comparison"),
    shell:
        "python -m tristream inference compare --settings {params.settings:q}"
        " --first {input.first:q} --second {input.second:q} {params.regions}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule partition_test:
    input:
        partition=at("partition"),
        encoding=at("encoding"),
        regions=regions_of,
    output:
        at("partition_test"),
    log:
        LAYOUT.log("partition_test"),
    benchmark:
        LAYOUT.benchmark("partition_test")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("partition_test"),
        runtime=minutes("partition_test"),
    params:
        settings=lambda w: settings(PartitionTestSettings),
        regions=regions_option,
        code=fingerprint("tristream.inference.tested_partition"),
    shell:
        "python -m tristream inference partition --settings {params.settings:q}"
        " --partition {input.partition:q} --encoding {input.encoding:q} {params.regions}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule group:
    input:
        encodings=lambda w: TARGETS.subjects("encoding", w.dataset, model=w.model),
        weights=moved_weights_of_all,
        inferences=lambda w: TARGETS.subjects("inference", w.dataset, model=w.model),
        aligned=aligned_of_all,
        samples=lambda w: TARGETS.subjects("samples", w.dataset),
        regions=regions_of,
    output:
        at("group"),
    log:
        LAYOUT.log("group"),
    benchmark:
        LAYOUT.benchmark("group")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("group"),
        runtime=minutes("group"),
    params:
        settings=lambda w: settings(GroupSettings, dataset=w.dataset),
        regions=regions_option,
        code=fingerprint("tristream.inference.group_models"),
    shell:
        "python -m tristream inference group --settings {params.settings:q}"
        " --encodings {input.encodings:q} --inferences {input.inferences:q}"
        " --samples {input.samples:q} {params.regions}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule intersubject:
    input:
        encodings=lambda w: TARGETS.first_model(w.dataset),
        samples=lambda w: TARGETS.subjects("samples", w.dataset),
    output:
        at("intersubject"),
    log:
        LAYOUT.log("intersubject"),
    benchmark:
        LAYOUT.benchmark("intersubject")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("intersubject"),
        runtime=minutes("intersubject"),
    params:
        settings=lambda w: settings(GroupSettings, dataset=w.dataset),
        code=fingerprint("tristream.inference.intersubject"),
    shell:
        "python -m tristream inference intersubject --settings {params.settings:q}"
        " --encodings {input.encodings:q} --samples {input.samples:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule group_contrast:
    input:
        contrasts=lambda w: TARGETS.subjects("contrast", w.dataset, contrast=w.contrast),
        regions=regions_of,
    output:
        at("group_contrast"),
    log:
        LAYOUT.log("group_contrast"),
    benchmark:
        LAYOUT.benchmark("group_contrast")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("group_contrast"),
        runtime=minutes("group_contrast"),
    params:
        settings=lambda w: settings(GroupSettings, dataset=w.dataset),
        regions=regions_option,
        code=fingerprint("tristream.inference.group_contrasts"),
    shell:
        "python -m tristream inference group-contrast --settings {params.settings:q}"
        " --contrasts {input.contrasts:q} {params.regions}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule group_comparison:
    input:
        firsts=lambda w: TARGETS.subjects("encoding", w.dataset, model=w.first),
        seconds=lambda w: TARGETS.subjects("encoding", w.dataset, model=w.second),
        comparisons=lambda w: TARGETS.subjects(
            "comparison", w.dataset, first=w.first, second=w.second
        ),
        samples=lambda w: TARGETS.subjects("samples", w.dataset),
        regions=regions_of,
    output:
        at("group_comparison"),
    log:
        LAYOUT.log("group_comparison"),
    benchmark:
        LAYOUT.benchmark("group_comparison")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("group_comparison"),
        runtime=minutes("group_comparison"),
    params:
        settings=lambda w: settings(GroupSettings, dataset=w.dataset),
        regions=regions_option,
        code=fingerprint("tristream.inference.group_comparisons"),
    shell:
        "python -m tristream inference group-comparison --settings {params.settings:q}"
        " --firsts {input.firsts:q} --seconds {input.seconds:q} --comparisons {input.comparisons:q}"
        " --samples {input.samples:q} {params.regions}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule group_partition:
    input:
        partitions=lambda w: TARGETS.subjects("partition", w.dataset, model=w.model),
        tests=lambda w: TARGETS.subjects("partition_test", w.dataset, model=w.model),
        encodings=lambda w: TARGETS.subjects("encoding", w.dataset, model=w.model),
        regions=regions_of,
    output:
        at("group_partition"),
    log:
        LAYOUT.log("group_partition"),
    benchmark:
        LAYOUT.benchmark("group_partition")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("group_partition"),
        runtime=minutes("group_partition"),
    params:
        settings=lambda w: settings(GroupSettings, dataset=w.dataset),
        regions=regions_option,
        code=fingerprint("tristream.inference.group_partitions"),
    shell:
        "python -m tristream inference group-partition --settings {params.settings:q}"
        " --partitions {input.partitions:q} --tests {input.tests:q}"
        " --encodings {input.encodings:q}"
        " --band {wildcards.band} {params.regions}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule group_decoding:
    input:
        lambda w: TARGETS.subjects("decoding", w.dataset, decoder=w.decoder),
    output:
        at("group_decoding"),
    log:
        LAYOUT.log("group_decoding"),
    benchmark:
        LAYOUT.benchmark("group_decoding")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("group_decoding"),
        runtime=minutes("group_decoding"),
    params:
        settings=lambda w: settings(GroupSettings, dataset=w.dataset),
        code=fingerprint("tristream.inference.group_decoders"),
    shell:
        "python -m tristream inference group-decoder --settings {params.settings:q}"
        " --decodings {input:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"


rule tables:
    input:
        encoding=at("encoding"),
        inference=at("inference"),
        regions=regions_of,
    output:
        regions=at("region_table"),
        regions_sidecar=LAYOUT.sidecar("region_table"),
        clusters=at("cluster_table"),
        clusters_sidecar=LAYOUT.sidecar("cluster_table"),
    log:
        LAYOUT.log("region_table"),
    benchmark:
        LAYOUT.benchmark("region_table")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("region_table"),
        runtime=minutes("region_table"),
    params:
        regions=regions_option,
        code=fingerprint("tristream.inference.region_tables"),
    shell:
        "python -m tristream inference tables --encoding {input.encoding:q}"
        " --inference {input.inference:q} {params.regions} --by-region {output.regions:q}"
        " --by-cluster {output.clusters:q} --code {params.code} > {log:q} 2>&1"


rule fetch_regions:
    output:
        at("atlas"),
    log:
        LAYOUT.log("atlas"),
    benchmark:
        LAYOUT.benchmark("atlas")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("atlas"),
        runtime=minutes("atlas"),
    params:
        settings=lambda w: settings(DataSettings),
    shell:
        "python -m tristream inference atlas --settings {params.settings:q}"
        " --output {output:q} > {log:q} 2>&1"


rule regions:
    input:
        at("atlas"),
    output:
        at("regions"),
    log:
        LAYOUT.log("regions"),
    benchmark:
        LAYOUT.benchmark("regions")
    conda:
        "../envs/tristream.yaml"
    threads: 1
    resources:
        mem_mb=memory("regions"),
        runtime=minutes("regions"),
    params:
        code=fingerprint("tristream.space.harvard_oxford"),
    shell:
        "python -m tristream inference regions --receipt {input:q}"
        " --output {output:q} --code {params.code} > {log:q} 2>&1"
