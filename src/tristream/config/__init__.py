"""The typed configuration: a study (``config.yaml``) and dataset descriptors, a file a section."""
