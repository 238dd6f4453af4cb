"""relay: texts between AT&T's messaging services and an MQTT bus, never lost and never sent twice on purpose."""

__version__ = "0.1.0"
