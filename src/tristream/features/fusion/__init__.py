"""Feature spaces made from others, fitted on training stimuli only."""
