"""The browser that the other tests look with."""

from __future__ import annotations


def test_it_shows_a_page_and_tells_what_the_page_did(page, watched) -> None:
    page.set_content("<h1>Certificates</h1><script>console.error('seen')</script>")
    assert page.inner_text("h1") == "Certificates"
    assert watched.errors == ["seen"]
    assert watched.requests == []
