"""What runs inside a workflow's process, and in the fork server that it comes from.

Only the standard library is imported here, and nothing newer than Python 3.10 is used: a project may name
an interpreter of its own (`python = ...`), which has CrewAI but neither lastword nor msgspec.  CrewAI,
pydantic and msgspec are imported inside functions, where the work itself needs them.
"""
