"""Tests of otel_auto_assign.analysis.page.markup."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otel_auto_assign.analysis.page.markup import breakable, element, short
from tests.analysis.page.pages import read

TEXTS = st.text() | st.lists(st.sampled_from(["<", ">", "&", '"', "'", "</p>", "<script>", "<!--", "x"])).map("".join)


@given(TEXTS)
def test_text_stays_text(text: str) -> None:
    """Whatever it is, in an element or an attribute: a reader finds it again as it was, and nothing beside it."""
    text = text.replace("\0", "").replace("\r", "")  # which HTML does not have
    (found,) = read(element("p", text, title=text)).children
    assert not isinstance(found, str)
    assert (found.text, found.attributes["title"], found.all("p", "script")) == (text, text, [])


@given(TEXTS, st.integers(1, 40))
def test_a_short_text_is_one_line_without_what_steers(text: str, longest: int) -> None:
    """No longer than asked for, and never with a character that turns the writing round or breaks the line."""
    found = short(f"a{text}", longest)
    assert 1 <= len(found) <= longest
    assert found.isprintable()


@given(st.from_regex(r"[a-z_.=<]*", fullmatch=True))
def test_a_text_that_may_break_is_the_same_text(text: str) -> None:
    """Only places are added where a line may end."""
    assert read(breakable(text)).text == text
