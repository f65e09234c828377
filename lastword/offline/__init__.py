"""A language model for a machine that has none: canned answers over OpenAI's protocol, on loopback."""

from lastword.offline.providers import PROVIDER_PATTERNS, provider_configured
from lastword.offline.server import OfflineModel, serve

__all__ = ["PROVIDER_PATTERNS", "OfflineModel", "provider_configured", "serve"]
