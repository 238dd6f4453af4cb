"""The bus: topics, payloads, and the connection to the MQTT broker.

What it promises: `Bus.publish` returns only after the broker confirmed the message on every topic, and never hangs.
A `Delivery` is acknowledged only by `ack()`; what was not acknowledged comes again after the connection was lost.
On every connection relay first hears its commands, then tells all its states again, and only then says `online`.
"""
