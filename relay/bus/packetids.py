"""Numbers for packets that wait for an answer: none is given twice meanwhile (MQTT 5, section 2.2.1)."""

_LAST = 65_535


class PacketIds:
    """The packet ids of one connection."""

    def __init__(self) -> None:
        self._latest = 0
        self._used: set[int] = set()

    def take(self) -> int:
        """The next that is free.

        Raises:
            OverflowError: all are used.
        """
        if len(self._used) == _LAST:
            raise OverflowError("all packet ids are used")
        number = self._latest % _LAST + 1
        while number in self._used:
            number = number % _LAST + 1
        self._latest = number
        self._used.add(number)
        return number

    def give_back(self, number: int) -> None:
        """Its answer has come, or it was not sent."""
        self._used.discard(number)
