"""Publishing: from a file and its description to a new version of a table that queries can use."""
