"""Features at the times of the volumes, undelayed, and the index of samples."""
