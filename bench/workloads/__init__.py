"""One workload a file: each has a `run`, and says in its first lines what counts as a message."""
