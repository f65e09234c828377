"""Supervisor, executor and auditor, and what they are made of."""
