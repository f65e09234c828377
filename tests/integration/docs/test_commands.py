"""The commands that the documentation says to type do what it says."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import click
import pytest

from lastword.cli import main
from tests.integration.docs.pages import ROOT, Block, blocks, followed_pages, pages
from tests.integration.docs.terminal import Terminal

EXCUSED: Final[Mapping[str, str]] = {
    "docs/how-to/adopt.md": "tests/integration/cli/test_adopt.py follows it",
    "docs/how-to/cluster.md": "tests/integration/docs/test_cluster_page.py follows it, beside `make cluster`",
    "docs/how-to/deploy.md": "wants Docker, or hosts of NATS; tests/integration/topology does what it says",
}
"""Pages none of whose commands are run here, and why."""
ASSIGNED: Final = re.compile(r"(?P<name>[A-Z][A-Z0-9_]*)=")
OPERATORS: Final = set("();<>|&\n")
SPECIAL: Final = {"LASTWORD_CONFIG", "LASTWORD_TOKEN", "LASTWORD_URL"}


def commands(page: Path) -> list[Block]:
    """Return the blocks of commands of a page."""
    return list(blocks(page.read_text("utf-8"), page.relative_to(ROOT).as_posix()))


FOLLOWED: Final = [
    page
    for page in followed_pages()
    if page.relative_to(ROOT).as_posix() not in EXCUSED and any(block.is_typed for block in commands(page))
]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("guide", FOLLOWED, ids=lambda guide: guide.stem)
def test_what_a_page_says_to_type_can_be_typed(guide: Path, tmp_path: Path) -> None:
    """From top to bottom, in one folder: each line ends as it says, and prints what it says."""
    with Terminal(tmp_path) as terminal:
        for block in commands(guide):
            if block.is_typed:
                assert [] == terminal.follow(block)
        assert [] == terminal.close()


def test_every_block_says_whether_it_is_typed() -> None:
    """By the comment above it: `run`, `not run: why`, or `left running until "words"`."""
    silent = [
        f"{block} says nothing"
        for page in followed_pages()
        if page.relative_to(ROOT).as_posix() not in EXCUSED
        for block in commands(page)
        if block.language == "bash" and not block.is_typed and block.reason is None
    ]
    assert [] == silent


def test_every_command_of_lastword_and_make_exists() -> None:
    """In all pages, also where it is not run: the command, its options, its arguments, its settings."""
    wrong = [
        f"{block}: {why}" for page in pages() for block in commands(page) for why in unusable(block.code)
    ]
    assert [] == wrong


def test_an_unusable_command_is_told() -> None:
    """So that the test above is known to look."""
    assert ["No such command 'begin'."] == list(unusable("id=$(lastword begin x)\n"))
    (told,) = unusable("true | lastword list --colour red # why\n")
    assert told.startswith("No such option '--colour'")
    assert ["Missing argument 'ID'."] == list(unusable("lastword show\n"))
    assert ["there is no setting LASTWORD_HTTP__COLOUR"] == list(
        unusable("LASTWORD_HTTP__COLOUR=red \\\n  lastword run edge\n")
    )
    assert ["No such command 'begin'."] == list(unusable("$ lastword begin\nwhat is printed\n"))
    assert ["there is no `make colour`"] == list(unusable("make colour\n"))
    assert [] == list(unusable('lastword cancel "$id" --wait; echo "exit code $?"   # 3: cancelled\n'))


def unusable(code: str) -> Iterator[str]:
    """Yield what of a block of commands does not exist."""
    settings = (ROOT / "docs/reference/settings.md").read_text("utf-8")
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for words in simple_commands(code):
        while words and (found := ASSIGNED.match(words[0])):
            name = found["name"]
            if name.startswith("LASTWORD_") and name not in SPECIAL and f"`{name}`" not in settings:
                yield f"there is no setting {name}"
            words.pop(0)
        if words[:1] == ["lastword"]:
            yield from refusal(words[1:])
        if words[:1] == ["make"] and not set(filter(str.islower, words[1:2])) <= set(targets):
            yield f"there is no `make {words[1]}`"


def simple_commands(code: str) -> Iterator[list[str]]:
    """Yield the words of each command, whatever stands between them."""
    for line in code.replace("\\\n", " ").splitlines():
        typed = line.strip().removeprefix("$ ").removeprefix("export ")  # with a prompt, where output follows
        lexer = shlex.shlex(typed, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, "\n"]:
            if set(word) <= OPERATORS:
                if words:
                    yield words
                words = []
            else:
                words.append(word)


def refusal(words: list[str]) -> Iterator[str]:
    """Yield why the command line would be refused, if it would; nothing is carried out."""
    command: click.Command = main
    context = click.Context(command, info_name="lastword")
    try:
        while isinstance(command, click.Group):
            name, found, words = command.resolve_command(context, words)
            assert found is not None
            command, context = found, click.Context(found, info_name=name, parent=context)
        command.make_context(context.info_name, words, parent=context.parent)
    except click.UsageError as error:
        yield error.format_message()
    except click.exceptions.Exit:  # --help
        pass
