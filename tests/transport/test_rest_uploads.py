"""Uploads, in process: right statuses, sentences that help, nothing left on disk, the model used side by side."""

from __future__ import annotations

import asyncio
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.house import BROKEN, SECRET, STUCK, TOGETHER, Together, fault, in_house, temporary_files, upload
from tests.support.sounds import encoded, form, mp3, mulaw_8k, silence, speech, stereo_44k, wav
from uvicorn import Config
from uvicorn.server import ServerState

from earful.service.upload import UPLOAD_LANES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.house import House

HOST = "127.0.0.1"
PATH = "/v1/transcribe"
SENTENCE = speech(4.2)
FIVE = silence(5)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is left on disk by any of these, with a name or without."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert [] == list(tmp_path.iterdir())
    assert [] == temporary_files()


@pytest.mark.parametrize("wrap", [lambda data: (data, {}), form], ids=["raw", "form"])
def test_a_recording_becomes_text(wrap: Callable[[bytes], tuple[bytes, dict[str, str]]]) -> None:
    """Six sentences: each its segment, the text all of them, the length that of the audio."""
    body, headers = wrap(wav(speech()))
    answer = upload(body, headers | {"x-request-id": "mine"})
    assert 200 == answer.status_code
    found = answer.json()
    assert {"text", "duration_ms", "processing_ms", "segments", "request_id"} == found.keys()
    assert [{"index", "text", "start_ms", "end_ms"}] * 6 == [segment.keys() for segment in found["segments"]]
    assert list(range(6)) == [segment["index"] for segment in found["segments"]]
    assert " ".join(segment["text"] for segment in found["segments"]) == found["text"]
    assert len(speech()) // 32 == found["duration_ms"]
    assert found["processing_ms"] >= 0
    assert ("mine", "mine") == (found["request_id"], answer.headers["x-request-id"])


@pytest.mark.parametrize(
    "body",
    [
        wav(stereo_44k(), rate_hz=44_100, channels=2),
        wav(mulaw_8k(), rate_hz=8_000, tag=7, bits=8),
        wav(speech(), claims=0xFFFFFFFF),
        wav(speech(), claims=0),
        wav(speech(), claims=len(speech()) + 1_000_000),
    ],
    ids=["44.1 kHz stereo", "8 kHz mu-law", "4 GiB claim", "streamed", "claims more"],
)
def test_other_wav_files_have_six_sentences_too(body: bytes) -> None:
    """Of other formats, and with headers that claim more than there is."""
    found = upload(body).json()
    assert 6 == len(found["segments"])
    assert abs(len(speech()) / 32 - found["duration_ms"]) < 30


def test_a_truncated_file_is_read_as_far_as_it_goes() -> None:
    """Half of the sample has three sentences and the beginning of the fourth."""
    whole = wav(speech())
    found = upload(whole[: len(whole) // 2]).json()
    assert 4 == len(found["segments"])
    assert abs(len(speech()) / 64 - found["duration_ms"]) < 2


def test_what_a_header_leaves_out_is_not_heard() -> None:
    """A claim of less is believed."""
    assert 1_000 == upload(wav(speech(), claims=32_000)).json()["duration_ms"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "The body is empty; send the recording as the body or as the field file."),
        (b"This is only text.\n" * 100, "The file cannot be read as audio; WAV, mp3, m4a, ogg, webm and flac can."),
        (b"x", "The file cannot be read as audio; WAV, mp3, m4a, ogg, webm and flac can."),
        (wav(b""), "The WAV file has a header and no samples after it."),
        (wav(SENTENCE)[:30], "The WAV file cannot be read: it ends within its header."),
        (wav(SENTENCE, channels=0), "The WAV file cannot be read: it claims 0 channels, where 1 to 8 can be read."),
        (wav(SENTENCE, rate_hz=1), "The WAV file cannot be read: it claims 1 Hz, where 1000 to 192000 can be read."),
        (wav(SENTENCE, tag=85), "The WAV file cannot be read: samples of codec 85 with 16 bits are not supported; "),
        (b"ID3\x04" + b"no music at all" * 100, "The file cannot be read as audio;"),
    ],
    ids=["empty", "text", "a letter", "no samples", "cut header", "no channels", "slow", "codec", "no mp3"],
)
def test_what_is_not_audio_is_refused_with_the_reason(body: bytes, said: str) -> None:
    """As the body and as a form's file."""
    answer = fault(upload(body))
    assert (400, "not_audio") == answer[:2]
    assert answer[2].startswith(said)
    if body:
        assert answer == fault(upload(*form(body)))


def test_an_mp3_of_half_a_minute_is_read() -> None:
    """With the extra, which the tests have."""
    found = upload(mp3(30.0)).json()
    assert 6 == len(found["segments"])
    assert abs(30_000 - found["duration_ms"]) < 100


def test_a_form_without_the_file_is_told_so() -> None:
    """By the field's name."""
    answer = fault(upload(*form(wav(SENTENCE), field="audio")))
    assert (422, "bad_request", "The form has no file in its field named file.") == answer


def test_too_large_is_refused_while_it_still_comes() -> None:
    """Without a length told beforehand: the answer is there before the body is."""
    given = 0

    async def body() -> Any:
        nonlocal given
        while given < 100:
            given += 1
            yield bytes(100_000)

    async def scenario(house: House) -> None:
        answer = await house.client.post("/v1/transcribe", content=body())
        assert (413, "too_large", "An upload may have at most 1 MB.") == fault(answer)
        assert 11 == given

    in_house(scenario, max_upload_mb=1)


@pytest.mark.parametrize(
    "body", [wav(FIVE + FIVE), wav(FIVE + FIVE, claims=0), mp3(10.0)], ids=["wav", "stream", "mp3"]
)
def test_too_long_is_refused(body: bytes) -> None:
    """By what it decodes to."""
    assert (413, "too_large", "The recording is longer than the 9 s accepted here.") == fault(
        upload(body, max_upload_s=9)
    )


@pytest.mark.parametrize("after_s", [0, 20])
def test_a_model_that_fails_fails_the_upload(after_s: int) -> None:
    """Also where silence follows what it failed on; nobody is told its words."""

    async def scenario(house: House) -> None:
        answer = await house.client.post("/v1/transcribe", content=wav(SENTENCE + silence(after_s)))
        assert (500, "model_failed") == fault(answer)[:2]
        assert SECRET not in answer.text + repr(house.log.events)
        assert "RuntimeError" == house.log.all_of("model failed")[0]["error"]
        assert 1.0 == (await house.client.get("/v1/metrics")).json()["error_rate"]

    in_house(scenario, model=BROKEN)


def test_a_model_that_takes_too_long_is_a_timeout() -> None:
    """504; the sweep sees it."""
    assert (504, "model_timeout") == fault(upload(wav(SENTENCE), model=STUCK, model_timeout_s=0.01))[:2]


def test_segments_go_through_the_model_side_by_side() -> None:
    """Four at once: the model answers nobody before all four are there. And never more."""
    answer = upload(wav(speech() + silence(1) + speech(8.0)), model=TOGETHER, model_timeout_s=5)
    assert 200 == answer.status_code
    assert ["heard"] * 8 == answer.json()["text"].split()
    assert 4 == Together.peak


def test_who_leaves_in_mid_body_is_no_fault_of_ours() -> None:
    """The connection breaks off: that is told, as no trouble, and the upload counts as failed."""

    async def scenario(house: House) -> None:
        messages = iter([{"type": "http.request", "body": b"RIFF", "more_body": True}, {"type": "http.disconnect"}])
        sent = []

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/v1/transcribe", "headers": [], "query_string": b""}
        await house.service.app(scope, receive, send)
        assert 422 == sent[0]["status"]
        assert [("info", "upload started", None), ("info", "upload ended", "bad_request")] == [
            (line["level"], line["event"], line.get("code")) for line in house.log.events
        ]
        numbers = (await house.client.get("/v1/metrics")).json()
        assert (1, 1.0) == (numbers["total_requests"], numbers["error_rate"])

    in_house(scenario)


@pytest.mark.parametrize("query", [b"", b"format=text", b"format=srt", b"format=vtt"])
@pytest.mark.parametrize(
    "wrap",
    [lambda pcm: (wav(pcm), {}), lambda pcm: form(wav(pcm)), lambda pcm: (encoded(pcm, "flac", "flac"), {})],
    ids=["raw", "form", "flac"],
)
def test_who_leaves_before_the_answer_holds_nothing(
    wrap: Callable[[bytes], tuple[bytes, dict[str, str]]], query: bytes
) -> None:
    """The model, the decoder and the place are free at once; it is told as what it is, and counts as no failure."""
    body, told = wrap(speech() * 3)

    async def scenario(house: House) -> None:
        left = asyncio.Event()
        half = len(body) // 2
        messages = iter(
            [
                {"type": "http.request", "body": body[:half], "more_body": True},
                {"type": "http.request", "body": body[half:]},
            ]
        )
        sent = []

        async def receive() -> Any:
            for message in messages:
                return message
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(name.encode(), value.encode()) for name, value in told.items()]
        scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers, "query_string": query}
        asking = asyncio.create_task(house.service.app(scope, receive, send))
        registry, engine = house.service.registry, house.service.engine
        while engine.in_flight < UPLOAD_LANES:  # noqa: ASYNC110 - it is looked at from outside
            await asyncio.sleep(0)
        assert 1 == registry.uploads
        left.set()
        await asking
        assert (0, 0, 0, set()) == (registry.uploads, engine.in_flight, engine.waiting, engine._seats)
        assert 422 == sent[0]["status"]  # For nobody, unless a server reads on.
        (ended,) = house.log.all_of("upload ended")
        assert ("info", None, True) == (ended["level"], ended["code"], ended["left"])
        assert 0 < ended["audio_ms"] < len(speech()) * 3 / 32
        numbers = (await house.client.get("/v1/metrics")).json()
        assert (1, 0.0) == (numbers["total_requests"], numbers["error_rate"])
        assert "earful_uploads_left_total 1.0" in (await house.client.get("/metrics")).text

    in_house(scenario, model=STUCK)


def test_a_server_that_fails_while_it_is_watched_is_told_so() -> None:
    """Its own fault, and nothing is left of the upload."""
    messages = iter([{"type": "http.request", "body": wav(SENTENCE)}])

    async def scenario(house: House) -> None:
        async def receive() -> Any:
            for message in messages:
                return message
            raise OSError("a server's fault")

        async def send(_: Any) -> None:
            pass

        scope = {"type": "http", "method": "POST", "path": PATH, "headers": [], "query_string": b""}
        with pytest.raises(OSError, match="a server's fault"):
            await house.service.app(scope, receive, send)
        assert (0, 0) == (house.service.registry.uploads, house.service.engine.in_flight)

    in_house(scenario, model=STUCK)


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize("leaves", [asyncio.StreamWriter.close, asyncio.StreamWriter.write_eof])
def test_under_any_server_who_leaves_holds_nothing(http: str, leaves: Callable[[asyncio.StreamWriter], None]) -> None:
    """Uvicorn's own protocols; one that says that it will send no more has gone: nobody can tell the two apart."""

    async def scenario(house: House) -> None:
        config = Config(house.service.app, http=http, lifespan="off", log_config=None)
        config.load()
        make: Any = config.http_protocol_class
        state = ServerState()
        loop = asyncio.get_running_loop()
        async with await loop.create_server(
            lambda: make(config=config, server_state=state, app_state={}), HOST
        ) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            body = wav(speech())
            writer.write(
                b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (PATH.encode(), len(body)) + body
            )
            while not house.service.engine.in_flight:  # noqa: ASYNC110 - it is looked at from outside
                await asyncio.sleep(0)
            leaves(writer)
            assert b"" == await reader.read()
            await asyncio.gather(*state.tasks)
            assert [True] == [line["left"] for line in house.log.all_of("upload ended")]
            writer.close()

    in_house(scenario, model=STUCK)
