"""What `relay check` says of how long things are kept."""

from relay.cli.findings.retention import in_words
from relay.settings.retention import Retention

DAY = 86_400.0


def test_lifetimes_are_told_as_they_come_true() -> None:
    """In days, or in hours."""
    assert list(in_words(Retention())) == [
        "texts are kept for 7 days after their end, and what became of them for 7 days"
    ]
    assert "for 36 hours after" in next(in_words(Retention(texts=1.5 * DAY)))


def test_it_is_said_where_texts_stay_longer() -> None:
    """In events and bytes that outlive them."""
    told = list(in_words(Retention(texts=DAY)))
    assert told[1:] == ["texts stay up to 7 days in what retention.events and retention.raw keep"]
    assert list(in_words(Retention(texts=DAY, events=DAY, raw=DAY)))[1:] == []


def test_settings_without_effect_are_named() -> None:
    """A text is no longer there than its message, and an id no shorter."""
    told = " ".join(in_words(Retention(texts=30 * DAY, keys=3 * DAY)))
    assert "retention.texts (30 days) is without effect" in told
    assert "retention.keys (3 days) is without effect" in told
