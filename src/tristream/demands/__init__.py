"""What jobs ask of the machine: memory and time by sizes, held against measured jobs."""
