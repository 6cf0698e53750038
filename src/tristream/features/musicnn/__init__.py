"""The music tagger musicnn: its checkpoint and its network."""
