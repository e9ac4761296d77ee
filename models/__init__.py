"""VGG19 as data: its topology, its weights, and where they come from."""
