"""The float64 reference in numpy."""
