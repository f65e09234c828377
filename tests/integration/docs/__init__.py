"""What the documentation says to type is typed.

The `bash` blocks of the README, the tutorial and the how-to guides are run as a reader would, one after the
other, in an empty folder.  Each says by a comment above it, which no reader sees, what is to be done with it,
since what has not been thought about could do anything to the machine:

- `<!-- run -->`
- `<!-- left running until "words" -->`: in a terminal of its own; the next block waits for the words.
- `<!-- not run: a reason -->`: it is looked at only for commands, options and settings that do not exist.

A line that is meant to fail says so in its comment, `# 3: cancelled`, and must end with that code.  A `text`
block right below is what is printed; `…` stands for anything, within a line or as lines.
"""
