"""A line's small durable memory, for tests that have no journal."""

from dataclasses import dataclass, field


@dataclass
class Memory:
    """Lasts as long as the test; `kept` can be looked at, and `puts` counts what was written."""

    kept: dict[str, bytes] = field(default_factory=dict)
    puts: int = 0

    async def get(self, key: str) -> bytes | None:
        """What was put."""
        return self.kept.get(key)

    async def put(self, key: str, value: bytes) -> None:
        """Keep it."""
        self.kept[key] = value
        self.puts += 1
