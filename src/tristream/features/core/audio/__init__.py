"""Sound in steps: streams, short-time spectra, the cochlea."""
