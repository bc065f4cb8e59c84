"""DALI 1.1: requests, parameters and error documents, as every endpoint of the stack takes and gives them."""
