"""Which provider an environment configures."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

import pytest

from lastword.offline import PROVIDER_PATTERNS, OfflineModel, provider_configured


@pytest.mark.parametrize(
    ("environ", "provider"),
    [
        ({}, None),
        ({"OPENAI_API_KEY": ""}, None),
        ({"MODEL": "gpt-4o"}, None),
        ({"OLLAMA_HOST": "127.0.0.1:11434"}, None),
        ({"OPENAI_API_KEY": "sk-1"}, "OpenAI"),
        ({"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": "http://x"}, "OpenAI-compatible endpoint"),
        ({"OPENAI_API_BASE": "http://x"}, "OpenAI-compatible endpoint"),
        ({"MODEL": "ollama/llama3"}, "Ollama"),
        ({"OPENAI_MODEL_NAME": "hosted_vllm/x"}, "vLLM"),
        ({"ANTHROPIC_API_KEY": "x"}, "Anthropic"),
        ({"AZURE_API_KEY": "x"}, "Azure OpenAI"),
        ({"GEMINI_API_KEY": "x"}, "Google Gemini"),
        ({"GROQ_API_KEY": "x", "MODEL": "groq/x"}, "Groq"),
    ],
)
def test_a_provider_is_recognised_by_its_variables(environ: Mapping[str, str], provider: str | None) -> None:
    """The most telling one goes first; an empty value is none."""
    assert provider == provider_configured(environ)
    matched = any(
        fnmatchcase(f"{name}={value}", pattern)
        for name, value in environ.items()
        for pattern in PROVIDER_PATTERNS
    )
    assert (provider is not None) == matched


def test_the_offline_model_keeps_what_is_kept_from_proxies() -> None:
    """And adds itself, or a proxy would be asked for a loopback address."""
    model = OfflineModel(0.0)
    assert "127.0.0.1,localhost" == model.environment()["NO_PROXY"]
    assert "intra,127.0.0.1,localhost" == model.environment({"no_proxy": "intra"})["NO_PROXY"]
