"""What may be sent, when, and in which order: pure rules. The sender asks, the journal remembers."""
