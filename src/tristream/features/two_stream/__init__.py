"""The two-stream network: what is seen in frames, what in the flow between them, and both."""
