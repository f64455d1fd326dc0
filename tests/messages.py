"""What a message must name, whatever its sentences are."""


def assert_names(message: str, *parts: str) -> None:
    """A message names a place, a value, what is allowed and what to do, in this order."""
    position = 0
    for part in parts:
        found = message.find(part, position)
        assert found >= 0, f"{message!r} does not name {part!r} after its first {position} characters"
        position = found + len(part)
