"""The browser app against the whole running system: real edge, real NATS, real child processes."""
