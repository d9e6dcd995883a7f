"""Memory: a text is made once while there is room for it, and there is never more than was allowed."""

import random
import sys
from concurrent.futures import ThreadPoolExecutor

from service.web.memory import Memory

TEXT = "x" * 1000
ROOM = sys.getsizeof(TEXT) + 300


def names(memory: Memory, *keys: str) -> list[str]:
    """Which of these had to be made anew, each asked for in turn."""
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return TEXT

    for key in keys:
        assert memory.get(key, lambda key=key: make(key)) == TEXT  # type: ignore[misc]
    return made


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    """Asking for a text keeps it; the bytes never pass the bound."""
    memory = Memory(ROOM * 3)
    assert names(memory, "a", "b", "c", "a", "b", "c") == ["a", "b", "c"]
    assert names(memory, "a", "d", "a", "c") == ["d"]
    assert names(memory, "b") == ["b"]
    assert memory.bytes == ROOM * 3


def test_a_text_larger_than_all_the_room_is_given_and_not_kept() -> None:
    """What was there stays; another key is another text."""
    memory = Memory(ROOM * 2)
    names(memory, "a")
    assert memory.get("large", lambda: TEXT * 3) == TEXT * 3
    assert memory.get("large", lambda: "made again") == "made again"
    assert memory.get("wide", lambda: "\U0001f600" * 1000) == "\U0001f600" * 1000
    assert names(memory, "a") == []


def test_many_threads_at_once_get_their_own_texts_and_the_sum_stays_right() -> None:
    """Each key has its text, whoever made it; afterwards the bytes are those of the texts that are kept."""
    memory = Memory(20_000)

    def ask(seed: int) -> bool:
        keys = random.Random(seed).choices(range(60), k=2000)
        return all(memory.get(key, lambda key=key: str(key) * 100) == str(key) * 100 for key in keys)  # type: ignore[misc]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))
    kept = memory._texts.values()
    assert memory.bytes == sum(sys.getsizeof(text) + 300 for text in kept) <= 20_000
    assert len(kept) > 10
