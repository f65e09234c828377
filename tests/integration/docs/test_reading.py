"""How a page is read, and what a reader at a terminal would notice."""

from pathlib import Path
from typing import Final

import pytest

from tests.integration.docs.pages import Block, blocks
from tests.integration.docs.terminal import Terminal, meant_to_end_with, same

PAGE: Final = """# A page

<!-- left running until "up" -->
```bash
serve
```

<!-- run -->

```bash
ask   # 3: no
```

```text
no
```

<!-- not run: it is dangerous -->

```bash
launch
```

```bash
guess
```
"""


def a_block(code: str, **more: str) -> Block:
    """Return a block of a page."""
    return Block(page="page.md", line=5, language="bash", code=code, **more)


def test_marks_and_output_belong_to_their_block() -> None:
    """A mark to the block below it, an output to the block above it, with a line between or not."""
    found = list(blocks(PAGE, "page.md"))
    assert ["serve\n", "ask   # 3: no\n", "launch\n", "guess\n"] == [block.code for block in found]
    assert [True, True, False, False] == [block.is_typed for block in found]
    assert ["up", None, None, None] == [block.until for block in found]
    assert [None, "no\n", None, None] == [block.printed for block in found]
    assert [None, None, "it is dangerous", None] == [block.reason for block in found]
    assert 5 == found[0].line


def test_a_line_that_ends_otherwise_is_told(tmp_path: Path) -> None:
    """A failure that no comment tells of, and a comment whose failure did not come; both with their line."""
    with Terminal(tmp_path) as terminal:
        first, second = terminal.follow(a_block("true\nfalse\ntrue   # 3: it is not\n"))
    assert first.startswith("page.md:6 ended with 1, not 0: false")
    assert second.startswith("page.md:7 ended with 0, not 3: true")


def test_what_a_block_sets_is_known_to_the_next(tmp_path: Path) -> None:
    """As in one terminal."""
    with Terminal(tmp_path) as terminal:
        assert [] == terminal.follow(a_block("greeting='how are you'\n"))
        assert [] == terminal.follow(a_block('echo "$greeting"\n', printed="how … you\n"))
        (wrong,) = terminal.follow(a_block('echo "$greeting"\n', printed="how is she\n"))
    assert "instead of\nhow is she" in wrong


def test_what_is_left_running_is_waited_for_and_stopped(tmp_path: Path) -> None:
    """The next block comes after the words; Ctrl-C ends what goes on for ever, and a wrong end is told."""
    with Terminal(tmp_path) as terminal:
        assert [] == terminal.follow(a_block("trap exit INT; echo up; sleep 300 & wait\n", until="up"))
        assert [] == terminal.follow(a_block("echo up; (exit 3)   # 3: it ends\n", until="up"))
        assert [] == terminal.follow(a_block("echo up; (exit 4)   # 3: it ends\n", until="up"))
        (wrong,) = terminal.close()
        (other,) = terminal.follow(a_block("true\n", until="up"))
    assert wrong.startswith("page.md:5 ended with 4, not 3")
    assert "ended before it said 'up'" in other


@pytest.mark.parametrize(
    ("told", "printed", "is_same"),
    [
        ("a … c\n", "a b\nb c\n", True),
        ("a   b\n", "a\tb\n", True),
        ("a b\n", "a b c\n", False),
        ("a.c\n", "abc\n", False),
    ],
    ids=["anything", "blanks", "too much", "no pattern"],
)
def test_output_is_compared_as_people_do(told: str, printed: str, is_same: bool) -> None:  # noqa: FBT001
    """What `…` leaves open may be anything; the rest must be there, however it is spaced."""
    assert is_same == same(told, printed)


def test_a_comment_tells_how_a_line_is_meant_to_end() -> None:
    """Only where it begins with a number and a colon."""
    assert (3, 0, 0) == tuple(map(meant_to_end_with, ("x  # 3: so", "x  # 3 things", "x")))
