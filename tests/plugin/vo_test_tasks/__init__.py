"""Tasks of another distribution: an honest one to begin from, and one that does what no task should."""
