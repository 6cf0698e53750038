"""Networks that tell the genre of music from its sound: corpus, training, what they learnt."""
