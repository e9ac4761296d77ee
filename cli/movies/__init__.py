"""Moving pictures: read, painted frame by frame, written."""
