"""VGG19 and VGG16 as data: their topologies, their weights, and where these come from."""
