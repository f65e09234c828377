"""The worst that clients, work and thieves of credentials can ask of one real `lastword up`.

Each ordeal overdoes one thing while the memory of every process is measured, and then asks: was each
acknowledged workflow brought to its end, was what was refused refused in words, did memory stay within what
the settings allow, and is all quick again, with no process restarted?

`make overload` plays them in full and prints the table of `docs/explanation/overload.md`; small ones are
among the tests (`tests/integration/overload`).
"""
