"""What may be a secret among options is stars; the rest is shown."""

from __future__ import annotations

import pytest

from earful.cli.masking import STARS, is_secret_name, masked

SECRETS = """
accessKey AccessKeyId accesskeyid signingKey sessionKey api.key api_key apikeys APIKey x-api-key keys signing_key_b64
client_secret pass db-pass DBPassword passphrase pwd Tokens accessToken bearer private dsn creds credentials cookie
connection Authorization auth headers extra_headers sig signature --api-key
PassWord PaSsWoRd API_KEY2
"""
HARMLESS = """
keyboard key_file keyFile key-path privateKeyPath token_files bypass model beam conn language passage compass
design monkeys_file signal 7 -- secretPATH
"""


@pytest.mark.parametrize("name", SECRETS.split())
def test_it_may_be_a_secret(name: str) -> None:
    """Whatever parts the words of its name."""
    assert is_secret_name(name)
    assert {name: STARS} == masked({name: "hush"})
    assert {name: [{"deep": STARS}, STARS]} == masked({name: [{"deep": "hush"}, 4711]})


@pytest.mark.parametrize("name", HARMLESS.split())
def test_it_is_none(name: str) -> None:
    """Nor is what says where one lies."""
    assert not is_secret_name(name)
    assert {name: "/etc/earful/hs.key"} == masked({name: "/etc/earful/hs.key"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("host=h password=hush", f"host=h password={STARS}"),
        ("host=h password = 'hu sh' port=1", f"host=h password = {STARS}"),
        ("Server=h;AccountKey=hu;sh==", f"Server=h;AccountKey={STARS}"),
        ("--api-key=hush", f"--api-key={STARS}"),
        ("--beam=5 --token=hush", f"--beam=5 --token={STARS}"),
        ("Bearer hush", f"Bearer {STARS}"),
        ("x BEARER  hush", f"x BEARER  {STARS}"),
        ("X-Api-Key: hush", f"X-Api-Key: {STARS}"),
        ("X-Api-Key:hush", f"X-Api-Key:{STARS}"),
        ("password:hush", f"password:{STARS}"),
        ("tool --api-key hush", f"tool --api-key {STARS}"),
        ("tool --beam 5 --api-key hush", f"tool --beam 5 --api-key {STARS}"),
        ("tool --api-key --beam 5", "tool --api-key --beam 5"),
        ("https://host:8000/a", "https://host:8000/a"),
        ('{"beam": 5, "secret":"hush"}', f'{{"beam": 5, "secret":{STARS}'),
        ("postgres://reader:hu@hush@db/speech", f"postgres://{STARS}@db/speech"),
        ("//hush@db", f"//{STARS}@db"),
        ("https://files/a?v=2&sig=hush", f"https://files/a?v=2&sig={STARS}"),
        ("https://a/?token=hush&v=2#part", f"https://a/?token={STARS}&v=2#part"),
        ("https://a/?v=2&X-Amz-Signature=hush", f"https://a/?v=2&X-Amz-Signature={STARS}"),
        ("--key-file=/etc/a.key", "--key-file=/etc/a.key"),
        ("https://a/?v=2&beam=5", "https://a/?v=2&beam=5"),
        ("package.auth:Class", "package.auth:Class"),
        ("beam=5, language: en", "beam=5, language: en"),
        ("a bearer", "a bearer"),
        ("", ""),
    ],
)
def test_a_text_is_shown_without_what_it_gives_away(text: str, shown: str) -> None:
    """From a secret's name on nothing of it, but in an address, where it has an end."""
    assert [{"x": shown}] == masked([{"x": text}])


@pytest.mark.parametrize(
    ("tree", "shown"),
    [
        ([{"name": "Authorization", "value": "hush"}], [{"name": "Authorization", "value": STARS}]),
        ({"var": "DB_PASSWORD", "value": "hush"}, {"var": "DB_PASSWORD", "value": STARS}),
        ({"Name": "apiKey", "Value": ["hush"]}, {"Name": "apiKey", "Value": [STARS]}),
        ({"key": "password", "value": "hush"}, {"key": STARS, "value": STARS}),
        ({"name": "beam", "value": "5"}, {"name": "beam", "value": "5"}),
        ({"name": 7, "value": "5"}, {"name": 7, "value": "5"}),
        (["--api-key", "hush", "--beam", "5"], ["--api-key", STARS, "--beam", "5"]),
        (["--key-file", "a.key", "token", 5, None], ["--key-file", "a.key", "token", 5, None]),
    ],
)
def test_a_value_may_stand_beside_its_name(tree: object, shown: object) -> None:
    """In a table, or behind the flag."""
    assert shown == masked(tree)


def test_a_long_text_takes_no_longer() -> None:
    """Than to read it."""
    assert "a" * 200_000 + " b" == masked("a" * 200_000 + " b")
