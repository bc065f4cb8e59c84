"""From the text of a query to its tree: words, grammar, and what the grammar leaves open."""
