"""Escaped values, read back by a Markdown parser."""

from html import unescape

import pytest
from markdown_it import MarkdownIt

from deft_sweeps.deploy.markdown_text import bullets, code, escaped, table

READER = MarkdownIt("commonmark").enable("table")
HOSTILE = (
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](http://h/i.png)",
    "a | b | c",
    "**bold** _it_ `code` ~~gone~~",
    "# head",
    "&lt;b&gt; \\* $x$",
    "<https://h> https://h www.h.org",
    "``` fence",
)


def shown(html: str, tag: str) -> str:
    return unescape(html.split(f"<{tag}>", 1)[1].rsplit(f"</{tag}>", 1)[0])


@pytest.mark.parametrize("text", HOSTILE)
def test_a_value_is_shown_as_it_is(text: str) -> None:
    html = READER.render(f"a {escaped(text)}")
    assert shown(html, "p") == f"a {text}"
    assert html.count("<") == 2, "no tag but the paragraph's"
    in_table = READER.render(table(("head",), [(text,)]))
    assert in_table.count("<td>") == 1
    assert shown(in_table, "td") == text
    assert shown(READER.render(bullets([f"a {escaped(text)}"])), "li") == f"a {text}"


def test_no_link_where_a_page_makes_links_of_addresses() -> None:
    # Pages make links of whole addresses; a backslash inside takes the address apart.
    assert "https:" not in escaped("https://h")
    assert "www." not in escaped("WWW.h.org www.h.org")


def test_steering_signs_and_lines_are_written_out() -> None:
    assert "\n" not in escaped("a\nb")
    assert "\u202e" not in escaped("\u202eabc")
    assert "u202e" in escaped("\u202eabc")


def test_a_table_by_hand() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_code_stays_in_its_block() -> None:
    text = "x = 1\n```\n# no head\n````"
    html = READER.render(code("python", text))
    assert "<h1>" not in html
    assert "# no head" in shown(html.replace(' class="language-python"', ""), "code")
    assert code("python", "x") == "```python\nx\n```"
