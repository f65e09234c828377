"""The campaign: a whole lastword of real processes under faults, and a judge of what witnesses saw.

`python -m tests.chaos --seed 7 --minutes 5 --backend cluster` plays one (`make chaos`).  What happened is
written down by witnesses that know nothing of lastword's own records: the workflows' processes themselves,
the kernel's word on their ends, and clients of every kind.  `checker` compares these with the log and the
database; it is pure, and has tests of its own that plant lies in a history.
"""
