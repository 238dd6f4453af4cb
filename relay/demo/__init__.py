"""The demo: a broker, AT&T simulated and relay, and a story that shows texts flowing both ways."""
