"""The whole system, as its user starts it."""
