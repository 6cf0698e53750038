"""Films, sounds and images at exact times."""
