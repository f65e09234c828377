"""Which provider of language models an environment configures.

The patterns are matched against `NAME=value`, so that `MODEL=ollama/llama3` counts and `MODEL=gpt-4o` without
a key does not.  They travel to workflows' processes as they are (`Work.fallback_unless`), where a project's
`.env` may still configure one.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

__all__ = ["PROVIDER_PATTERNS", "provider_configured"]

_MODEL_VARIABLES: Final = ("MODEL", "MODEL_NAME", "OPENAI_MODEL_NAME")  # the order in which CrewAI reads them


def _models(prefix: str) -> tuple[str, ...]:
    return tuple(f"{name}={prefix}/?*" for name in _MODEL_VARIABLES)


_PROVIDERS: Final[dict[str, tuple[str, ...]]] = {
    "Ollama": _models("ollama"),
    "vLLM": _models("hosted_vllm"),
    "Amazon Bedrock": _models("bedrock"),
    "OpenAI-compatible endpoint": ("OPENAI_BASE_URL=?*", "OPENAI_API_BASE=?*"),
    "OpenAI": ("OPENAI_API_KEY=?*",),
    "Azure OpenAI": ("AZURE_API_KEY=?*", "AZURE_OPENAI_API_KEY=?*"),
    "Anthropic": ("ANTHROPIC_API_KEY=?*",),
    "Google Gemini": ("GEMINI_API_KEY=?*", "GOOGLE_API_KEY=?*"),
    "OpenRouter": ("OPENROUTER_API_KEY=?*",),
    "Groq": ("GROQ_API_KEY=?*",),
    "Mistral": ("MISTRAL_API_KEY=?*",),
    "DeepSeek": ("DEEPSEEK_API_KEY=?*",),
    "xAI": ("XAI_API_KEY=?*",),
}

PROVIDER_PATTERNS: Final = tuple(pattern for patterns in _PROVIDERS.values() for pattern in patterns)
"""One match of any of these means that a provider is configured."""


def provider_configured(environ: Mapping[str, str]) -> str | None:
    """Return the name of the provider that `environ` configures, for people; None where there is none."""
    settings = [f"{name}={value}" for name, value in environ.items()]
    for provider, patterns in _PROVIDERS.items():
        if any(fnmatchcase(setting, pattern) for setting in settings for pattern in patterns):
            return provider
    return None
