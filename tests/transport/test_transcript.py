"""`format=` on the upload: the same utterances as text or captions, and one sentence for what is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.house import ask, fault, in_house
from tests.support.sounds import form, speech, wav

from earful.captions import Captions, Timed
from earful.models.types import TranscriptResult, Word

if TYPE_CHECKING:
    import httpx
    from tests.support.house import House

    from earful.captions import CaptionFormat
    from earful.models.types import SessionInfo

BODY = wav(speech())
TYPES = {
    "text": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}


class Timing:
    """Says ten long words, the last much later than the others, where words are wanted; else that they are not."""

    async def open(self, info: SessionInfo) -> None:
        """Learn what is wanted."""
        self._wanted = info.words

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Wait for the end."""
        del audio
        return TranscriptResult("", is_final=False)

    async def finalize(self) -> TranscriptResult:
        """All ten."""
        if not self._wanted:
            return TranscriptResult("unwanted", is_final=True)
        words = tuple(Word("harboursides", 200 + nth, 201 + nth, 1.0) for nth in range(10))
        return TranscriptResult(" ".join(["harboursides"] * 10), is_final=True, words=words)


class Wordless(Timing):
    """Knows no word's time."""

    async def finalize(self) -> TranscriptResult:
        """The text alone."""
        return TranscriptResult(" ".join(["harboursides"] * 10), is_final=True)


def uploaded(*forms: str, body: bytes = BODY, model: str = "mock") -> list[httpx.Response]:
    """The answers to a recording, each in another form, by one server."""
    answers: list[httpx.Response] = []

    async def scenario(house: House) -> None:
        answers.extend([await house.client.post(f"/v1/transcribe?format={one}", content=body) for one in forms])

    in_house(scenario, model=model)
    return answers


def test_json_is_what_comes_unasked() -> None:
    """All but the time it took and the request."""

    async def scenario(house: House) -> None:
        plain = (await house.client.post("/v1/transcribe", content=BODY)).json()
        asked = await house.client.post("/v1/transcribe?format=json", content=BODY)
        assert "application/json" == asked.headers["content-type"]
        assert [plain[name] for name in ("text", "segments", "duration_ms")] == [
            asked.json()[name] for name in ("text", "segments", "duration_ms")
        ]

    in_house(scenario)


def test_all_forms_tell_the_same() -> None:
    """Text an utterance a line; captions of each segment; each with its type and the request's id."""
    told, *answers = uploaded("json", *TYPES, model=f"{__name__}:Wordless")
    segments = told.json()["segments"]
    assert "".join(f"{segment['text']}\n" for segment in segments) == answers[0].text
    assert [captions_of("srt", segments), captions_of("vtt", segments)] == [answer.text for answer in answers[1:]]
    assert list(TYPES.values()) == [answer.headers["content-type"] for answer in answers]
    assert all(answer.headers["x-request-id"] for answer in answers)


def captions_of(kind: CaptionFormat, segments: list[dict[str, str]]) -> str:
    """What the writer makes of an upload's segments."""
    captions = Captions(kind)
    timed = [Timed(segment["text"], int(segment["start_ms"]), int(segment["end_ms"])) for segment in segments]
    return captions.beginning + "".join(map(captions.take, timed))


def test_captions_have_the_times_of_words() -> None:
    """The model is asked for them, for captions alone."""
    as_json, as_srt = uploaded("json", "srt", body=wav(speech(4.2)), model=f"{__name__}:Timing")
    assert "unwanted" == as_json.json()["text"]
    assert ["00:00:00,200 --> 00:00:00,206", "00:00:00,206 --> 00:00:00,210"] == [
        line for line in as_srt.text.splitlines() if "-->" in line
    ]


def test_nothing_said_is_an_empty_transcript() -> None:
    """Which captions without a cue are, too."""
    assert ["", "", "WEBVTT\n\n"] == [answer.text for answer in uploaded("text", "srt", "vtt", body=wav(bytes(64_000)))]


@pytest.mark.parametrize("wanted", ["docx", "SRT", ""])
def test_another_form_is_refused_with_those_there_are(wanted: str) -> None:
    """Before anything is heard, raw or as a form."""
    for body, headers in ((b"no audio", {}), form(b"no audio")):
        answer = ask("POST", f"/v1/transcribe?format={wanted}", body=body, headers=headers)
        said = "query.format: Input should be 'json', 'text', 'srt' or 'vtt'."
        assert (422, "bad_request", said) == fault(answer)


def test_the_document_tells_the_forms() -> None:
    """Four to choose from, and what each is answered as."""
    operation = ask("GET", "/openapi.json").json()["paths"]["/v1/transcribe"]["post"]
    [parameter] = operation["parameters"]
    assert ("format", "query", ["json", "text", "srt", "vtt"], "json") == (
        parameter["name"],
        parameter["in"],
        parameter["schema"]["enum"],
        parameter["schema"]["default"],
    )
    assert {"application/json", *TYPES.values()} == operation["responses"]["200"]["content"].keys()
