"""The tasks that compute with Gaia's data; each declares one, the kernels compute."""
