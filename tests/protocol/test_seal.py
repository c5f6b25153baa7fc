"""Signing and reading: what one of the secrets signed comes back, and nothing else does, however near it is."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from earful.audio.pcm import Encoding
from earful.errors import EarfulError, ErrorCode
from earful.protocol.cursor import Cursor, Position
from earful.protocol.messages import MAX_SEQUENCE
from earful.protocol.seal import LONGEST_CURSOR, SIGNATURE_BYTES, Seal, _keyed, _signature

OLD, NEW, FOREIGN = b"the old secret", b"the new secret", b"another service's"
SEAL = Seal((NEW, OLD))
TYPICAL = Cursor(
    "mUdhXL0uVTc0B9Bp9w3r2g",
    1_732_470_000,
    "a-tenant",
    language="en",
    position=Position(144_000, 3_199, 230_400_000, inside_speech=True, index=4_000),
)
small = st.integers(0, MAX_SEQUENCE + 1)
cursors = st.builds(
    Cursor,
    st.text(max_size=40),
    small,
    st.text(max_size=40),
    st.sampled_from(Encoding),
    st.integers(8_000, 48_000),
    st.integers(1, 8),
    st.none() | st.text(max_size=64),
    st.sampled_from(["fragment", "cumulative", "off"]),
    st.booleans(),
    st.builds(Position, small, small, small, st.booleans(), small),
)


def refused(text: str, seal: Seal = SEAL) -> bool:
    """Whether it is refused as everything is."""
    with pytest.raises(EarfulError) as caught:
        seal.read(text)
    return caught.value.code is ErrorCode.RESUME_FAILED and caught.value.args == EarfulError(caught.value.code).args


@given(cursors)
@example(TYPICAL)
@example(Cursor("", 0))
def test_what_is_signed_comes_back(cursor: Cursor) -> None:
    """Whatever it says; the text fits into any JSON and any URL."""
    text = SEAL.sign(cursor)
    assert cursor == SEAL.read(text)
    assert text.isascii()
    assert text.replace("-", "").replace("_", "").isalnum()


def test_a_cursor_is_short() -> None:
    """Under 200 characters with everything in it, hours into a session."""
    assert len(SEAL.sign(TYPICAL)) < 140


def test_the_first_secret_signs_and_all_verify() -> None:
    """So secrets can be rotated: last everywhere, then first, then without the old one."""
    by_old, by_new = Seal((OLD,)).sign(TYPICAL), Seal((NEW,)).sign(TYPICAL)
    assert TYPICAL == SEAL.read(by_old) == SEAL.read(by_new)
    assert by_new == SEAL.sign(TYPICAL)
    assert refused(by_new, Seal((OLD,)))


def test_a_seal_is_renewed_in_its_place() -> None:
    """What is signed from then on has the new secret; none changes nothing."""
    seal = Seal.drawn()
    by_drawn = seal.sign(TYPICAL)
    seal.renew(())
    assert (TYPICAL, "here") == (seal.read(by_drawn), seal.reach)
    seal.renew((NEW, OLD))
    assert (SEAL.sign(TYPICAL), "anywhere") == (seal.sign(TYPICAL), seal.reach)
    assert refused(by_drawn, seal)


def test_a_foreign_secret_is_refused() -> None:
    """As is a secret drawn elsewhere; a drawn one says that nobody else has it."""
    assert refused(Seal((FOREIGN,)).sign(TYPICAL))
    drawn = Seal.drawn()
    assert TYPICAL == drawn.read(drawn.sign(TYPICAL))
    assert refused(Seal.drawn().sign(TYPICAL), drawn)
    assert ("here", "anywhere") == (drawn.reach, SEAL.reach)


def test_every_flipped_bit_is_refused() -> None:
    """Also those of the last character that no byte is made of."""
    text = SEAL.sign(TYPICAL)
    for at in range(len(text)):
        for bit in range(7):
            assert refused(text[:at] + chr(ord(text[at]) ^ 1 << bit) + text[at + 1 :])


def test_every_truncated_or_lengthened_text_is_refused() -> None:
    """Padding and line ends too."""
    text = SEAL.sign(TYPICAL)
    assert all(refused(text[:end]) for end in range(len(text)))
    assert all(refused(text[begin:]) for begin in range(1, len(text)))
    assert all(refused(text + more) for more in ("=", "==", "A", "AA", "AAA", "AAAA", "\n", " ", "\u2028"))
    assert refused(" " + text)


@given(st.text(max_size=300) | st.binary(max_size=200).map(lambda data: urlsafe_b64encode(data).decode().rstrip("=")))
@example("A" * LONGEST_CURSOR)
@example("A" * (LONGEST_CURSOR + 1))
@example("\ud800")
@example("0" * SIGNATURE_BYTES)
def test_anything_else_is_refused(text: str) -> None:
    """In the same words."""
    assert refused(text)


@pytest.mark.parametrize("content", [b"", b"\x90", b"\xc1", msgspec.msgpack.encode([2, "s", 5]), b"\x92\x01\xa1\xff"])
def test_what_is_signed_and_no_cursor_is_refused(content: bytes) -> None:
    """Another version's, for instance."""
    sealed = content + _signature(_keyed(NEW), content)
    assert refused(urlsafe_b64encode(sealed).decode().rstrip("="))


def test_a_newer_version_may_say_more() -> None:
    """Fields that are added at the end are ignored here."""
    sealed = urlsafe_b64decode(SEAL.sign(TYPICAL) + "==")[:-SIGNATURE_BYTES]
    content = msgspec.msgpack.encode([*msgspec.msgpack.decode(sealed), "more"])
    signed = content + _signature(_keyed(NEW), content)
    assert TYPICAL == SEAL.read(urlsafe_b64encode(signed).decode().rstrip("="))
