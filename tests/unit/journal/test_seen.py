"""Keys by which repetitions are recognised: what was seen before an update of relay is known after it."""

from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from relay.journal.columns import as_json
from relay.journal.seen import hash_of

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@given(st.lists(ANY_TEXT, min_size=1, max_size=3))
def test_a_key_is_the_hash_of_its_parts_as_json(parts: list[str]) -> None:
    """Whatever is in them, half a surrogate pair included: journals hold such keys."""
    assert hash_of(*parts) == blake2b(as_json(tuple(parts)), digest_size=16).digest()


def test_where_a_part_ends_makes_another_key() -> None:
    """Nothing in a part can look like the end of it."""
    assert hash_of("a", "b") != hash_of("ab", "")
    assert hash_of('a","b') != hash_of("a", "b")
