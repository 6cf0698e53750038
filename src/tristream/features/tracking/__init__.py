"""Multi-object tracking: detect, predict, associate by looks and by distance, summarise, draw."""
