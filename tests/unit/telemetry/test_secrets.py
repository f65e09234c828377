"""Secrets are kept out by name and by shape."""

import pytest

from lastword.telemetry.secrets import hides, without_secrets


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "PASSWORD",
        "token",
        "viewer_token",
        "http.token",
        "api_key",
        "OPENAI_API_KEY",
        "nkey_seed",
        "Authorization",
        "set-cookie",
        "client_secret",
        "apikey",
        "private-key",
    ],
)
def test_keys_that_name_a_secret_hide_their_value(key: str) -> None:
    """In whatever case, and however the words are joined."""
    assert hides(key)


@pytest.mark.parametrize(
    "key",
    ["prompt_tokens", "tokens", "key", "idempotency_key", "workflow", "passenger", "tokenizer", "seeded"],
)
def test_keys_that_only_look_similar_hide_nothing(key: str) -> None:
    """A count of tokens is no secret."""
    assert not hides(key)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nats://edge:hunter2@10.0.0.1:4222", "nats://edge:***@10.0.0.1:4222"),
        ("nats://:hunter2@h", "nats://:***@h"),
        ("at postgresql://u:p%40w@db/x failed", "at postgresql://u:***@db/x failed"),
        ("nats://s3cr3t-t0ken-of-nats@h", "nats://***@h"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("Incorrect API key provided: sk-proj-abcdefghijkl1234", "Incorrect API key provided: ***"),
        ("SUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "***"),
    ],
)
def test_values_of_a_secrets_shape_are_cut(text: str, shown: str) -> None:
    """Wherever in the text they stand."""
    assert shown == without_secrets(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8484/workflows",
        "ask-me",
        "postgres://lastword@db/x",
        "basic research",
        "SUBJECT",
        "a@b.c",
    ],
)
def test_other_text_stays(text: str) -> None:
    """Over-eager nets hide what an operator needs."""
    assert text == without_secrets(text)
