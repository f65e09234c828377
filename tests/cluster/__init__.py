"""A NATS cluster of three nodes and PostgreSQL on loopback: what lastword grows into, to develop against.

`make cluster` starts both and says how to reach them; the tests and the fault campaign use the same parts.
"""
