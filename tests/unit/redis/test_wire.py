"""Commands as they go over the wire."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit_redis import RedisAdapter
from jobkit_redis.scripts import script
from jobkit_redis.server import called
from jobkit_redis.wire import HOLE, Form, packed

ENDS = b"\r\n$3\r\n"
arguments = st.binary() | st.text() | st.integers() | st.sampled_from([ENDS, b"", "é"])
names = st.sampled_from(["SADD", "EVALSHA"])
one_command = st.tuples(names, st.lists(arguments, min_size=1)).map(
    lambda each: [each[0], *each[1]]
)
commands = st.lists(one_command, min_size=1, max_size=3)


class OfRedisPy:
    """What packs where hiredis is not there."""

    def pack_command(self, *parts: Any) -> list[bytes]:
        from redis.connection import Connection

        return Connection().pack_command(*parts)  # type: ignore[no-untyped-call, no-any-return]


@given(commands, st.data(), arguments.map(lambda each: str(each).encode()))
def test_a_form_that_is_filled_is_what_its_commands_are(
    given: list[list[Any]], data: st.DataObject, argument: bytes
) -> None:
    nth = data.draw(st.integers(0, len(given) - 1))
    at = data.draw(st.integers(1, len(given[nth]) - 1))
    formed = [list(command) for command in given]
    formed[nth][at] = HOLE
    given[nth][at] = argument
    filled = Form(*formed).filled(argument)
    assert filled == b"".join(packed(None, given))  # type: ignore[arg-type]
    assert filled == b"".join(
        part for command in given for part in OfRedisPy().pack_command(*command)
    )


def test_without_a_hole_there_is_no_form() -> None:
    with pytest.raises(ValueError, match="not in list"):
        Form(("GET", "key"))


@pytest.mark.parametrize("queue", ["default", "café", "two words", ""])
def test_the_forms_of_a_queue_say_what_is_said_without_them(
    adapter: RedisAdapter, queue: str
) -> None:
    route, text = adapter._enqueue._route(queue), b'{"a":"\xc3\xa9"}'
    lend = called(script("enqueue_offered"), route.keys, (route.name, text, route.channel, ""))
    push = ("LPUSH", route.keys[0], text)
    for form, command in ((route.lending, lend), (route.pushing, push)):
        assert form.filled(text) == b"".join(packed(None, [route.known, command]))  # type: ignore[arg-type]
