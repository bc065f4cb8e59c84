"""The composition root: it builds the parts, joins them to one web application and runs it in several processes."""
