"""A harbour town in the evening sun, and painted strokes: pictures that nobody owns, for docs and benchmarks."""
