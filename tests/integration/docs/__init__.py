"""What the documentation says to type is typed.

The `bash` blocks of the README, the tutorial and the how-to guides are run as a reader would, one after the
other, in an empty folder.  A comment above a block, which no reader sees, may say otherwise:

- `<!-- not run: a reason -->`
- `<!-- left running until "words" -->`: in a terminal of its own; the next block waits for the words.

A line that is meant to fail says so in its comment, `# 3: cancelled`, and must end with that code.  A `text`
block right below is what is printed; `…` stands for anything, within a line or as lines.
"""
