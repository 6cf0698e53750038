# The door: `snakemake --cores 4` runs the study in config.yaml, or the one named by --configfile.

# A study given with --configfile replaces the demo study; it is not merged into it.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


include: "workflow/Snakefile"


rule default:
    default_target: True
    input:
        rules.all.input,
