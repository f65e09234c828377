"""What is done to pages before the site's maker has them, and what is looked for in what it makes."""

from pathlib import Path
from typing import Any, Final

import pytest

from tools.shapes import anchor, shape_tables, shapes_in, type_words
from tools.site.links import elsewhere, faults
from tools.site.pages import deepen, place_of, readdress

GOOD: Final = """<html><head><link rel="stylesheet" href="style.css"></head><body>
<h2 id="here">Here</h2><a href="#here">up</a> <a href="sub/">below</a> <a href="https://example.org/a">away</a>
</body></html>"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Give a site of two pages in which all is well."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text(GOOD)
    (tmp_path / "style.css").write_text("body { background: url('data:image/png;base64,AA==') }")
    (tmp_path / "sub" / "index.html").write_text(
        '<a href="../index.html#here">back</a> <a href="/style.css">x</a>'
    )
    return tmp_path


def test_a_site_in_which_all_is_well_has_no_faults(site: Path) -> None:
    """Links that lead elsewhere are listed and not asked."""
    assert [] == list(faults(site))
    assert {"https://example.org/a": ["index.html"]} == elsewhere(site)


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ('<a href="gone.html">x</a>', "bad.html links to gone.html: no such file"),
        ('<a href="index.html#gone">x</a>', "bad.html links to index.html#gone: no such anchor"),
        ('<a href="#gone">x</a>', "bad.html links to #gone: no such anchor"),
        ('<a href="images/">x</a>', "bad.html links to images/: no such file"),
        ('<img src="gone.png">', "bad.html links to gone.png: no such file"),
        ('<script src="https://example.org/a.js"></script>', "bad.html fetches https://example.org/a.js"),
        ('<link rel="icon" href="//example.org/i.png">', "bad.html fetches //example.org/i.png"),
    ],
    ids=["page", "anchor", "own anchor", "folder", "picture", "script", "icon"],
)
def test_what_leads_nowhere_or_is_fetched_from_elsewhere_is_told(site: Path, html: str, fault: str) -> None:
    """By the page that has it."""
    (site / "bad.html").write_text(html)
    assert [fault] == list(faults(site))


def test_a_style_that_fetches_from_elsewhere_is_told(site: Path) -> None:
    """Fonts come that way."""
    (site / "style.css").write_text("@font-face { src: url(https://example.org/f.woff2) }")
    assert ["style.css fetches https://example.org/f.woff2"] == list(faults(site))


@pytest.mark.parametrize(
    ("page", "link", "led"),
    [
        ("README.md", "docs/tutorial.md", "tutorial.md"),
        ("README.md", "docs/tutorial.md#2-start", "tutorial.md#2-start"),
        ("README.md", "docs/decisions/", "decisions/index.md"),
        ("README.md", "CHANGELOG.md", "changelog.md"),
        ("docs/how-to/secure.md", "../../README.md", "../index.md"),
        ("docs/how-to/secure.md", "../reference/permissions.md", "../reference/permissions.md"),
        ("docs/how-to/secure.md", "../../pyproject.toml", "../files/pyproject.toml"),
        ("README.md", "docs/gone.md", "docs/gone.md"),
        ("README.md", "https://example.org/docs/tutorial.md", "https://example.org/docs/tutorial.md"),
        ("README.md", "#try-it", "#try-it"),
    ],
)
def test_links_lead_where_their_targets_lie_on_the_site(
    tmp_path: Path, page: str, link: str, led: str
) -> None:
    """Also out of docs/, to a copy; what is not there stays as it is and is told later."""
    assert f"see [it]({led}), and" == readdress(f"see [it]({link}), and", page, tmp_path)
    assert f"[1]: {led}\n" == readdress(f"[1]: {link}\n", page, tmp_path)
    assert f"```\n[it]({link})\n```\n" == readdress(f"```\n[it]({link})\n```\n", page, tmp_path)
    if led.endswith("pyproject.toml"):
        assert (tmp_path / "files" / "pyproject.toml").exists()


def test_what_belongs_to_an_item_is_put_deep_enough() -> None:
    """A fence within it as well; code that looks like a list stays what it is."""
    nested = "1. do\n\n   ```bash\n   ls\n   ```\n\n2. see\n- or\n  - not\nafter\n"
    deeper = "1. do\n\n    ```bash\n    ls\n    ```\n\n2. see\n- or\n    - not\nafter\n"
    assert deeper == deepen(nested)
    code = "```yaml\n- a: 1\n  b: 2\n```\n  text\n"
    assert code == deepen(code)


def test_a_folder_is_shown_by_its_readme() -> None:
    """As on GitHub."""
    assert "decisions/index.md" == place_of("docs/decisions/README.md")


def test_a_schema_is_told_in_words() -> None:
    """With links to what it is made of, and the bounds that are worth saying."""
    assert "whole number, 1 to 200" == type_words({"type": "integer", "minimum": 1, "maximum": 200})
    assert "whole number" == type_words({"type": "integer", "minimum": 0})
    assert "text, at most 1,024 characters" == type_words({"type": "string", "maxLength": 1024})
    assert "time or null" == type_words(
        {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}
    )
    assert "list of [Task](#task)" == type_words(
        {"type": "array", "items": {"$ref": "#/components/schemas/Task"}}
    )
    assert "`a`, `b`" == type_words({"enum": ["a", "b"]})
    assert "anything" == type_words({})


def test_shapes_are_followed_to_what_they_are_made_of() -> None:
    """Each once, circles included; a field that may be left out says so."""
    schemas: dict[str, Any] = {
        "A": {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/B"}}, "required": ["b"]},
        "B": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}, "required": []},
        "C": {"enum": ["c"]},
    }
    assert {"A", "B"} == shapes_in({"$ref": "#/components/schemas/A"}, schemas)
    told = list(shape_tables(schemas, {"B", "A"}))
    assert "| `b` | [B](#b) |  |" in told
    assert "| `a` | [A](#a); may be left out |  |" in told
    assert told.index("### `A`") < told.index("### `B`")


def test_anchors_are_as_on_github() -> None:
    """Or links from one page to another would break on one of the two."""
    assert "get-workflowsworkflow_id" == anchor("`GET /workflows/{workflow_id}`")
