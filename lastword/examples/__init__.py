"""Examples that run as they are: `lastword up --demo` serves them.

`lastword.toml` in this folder declares them; copy it, and the files, to start from.
"""
