"""The language of relay: addresses, messages, states, errors, schedules, character sets. No I/O and no clock."""
