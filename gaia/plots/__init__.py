"""Pictures of results: arrays in, a PNG file out."""
