"""Statuses, the table of moves, messages and subjects: pure, no I/O, no clock."""
