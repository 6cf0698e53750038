"""What jobs ask of the machine: memory and time, from shapes, file sizes and a measured model."""
