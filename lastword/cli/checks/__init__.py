"""What `lastword doctor` looks at: one file for each part of a deployment, each a stream of findings.

Nothing here changes anything; what is found to be wrong comes with what to do about it.
"""
