"""How fast relay is, always as a ratio to something in the same run."""
