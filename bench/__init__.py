"""How fast relay is, always beside a bare script that does the same work in the same run."""
