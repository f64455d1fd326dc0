"""From a synset to a score."""
