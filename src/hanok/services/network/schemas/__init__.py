"""Bodies of Network v2.0."""
