"""URLs: which name the same page, and whose origin they have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.urls import origin, page_url
from service.web.fields import is_web_url

hosts = st.sampled_from(
    ["blog.example", "BLOG.example", "xn--bcher-kva.example", "bücher.example", "127.0.0.1", "[2001:DB8::1]", "a"]
)
ports = st.sampled_from(["", ":80", ":443", ":8080", ":1", ":65535"])
pieces = st.text(st.sampled_from("abcZ019-._~!$&'()*+,;=:@/%20?éя "), max_size=20)
queries = st.lists(
    st.sampled_from(
        [
            "a=1",
            "utm_source=x",
            "UTM_Medium=y",
            "fbclid=1",
            "b=",
            "c",
            "=",
            "&",
            "q=a%20b",
            "q=a+b",
            "gclid=",
            "é=ü",
            "%E4",
            "utm%5Fid=1",
            "a+b=%20",
            "a;b",
        ]
    ),
    max_size=5,
).map("&".join)
urls = st.builds(
    "{}://{}{}/{}{}{}".format,
    st.sampled_from(["http", "https", "HTTPS"]),
    hosts,
    ports,
    pieces,
    queries.map(lambda query: f"?{query}" if query else ""),
    st.sampled_from(["", "#", "#top", "#a?b=c"]),
).filter(is_web_url)


@given(urls)
def test_a_page_url_is_its_own_page_url(url: str) -> None:
    """It is idempotent, still a URL we take, and of the same origin."""
    page = page_url(url)
    assert page_url(page) == page
    assert is_web_url(page)
    assert origin(page) == origin(url)


@given(urls)
def test_fragments_and_tracking_parameters_name_no_page(url: str) -> None:
    """Neither is left in a page's URL."""
    page = page_url(url)
    assert "#" not in page
    query = page.partition("?")[2]
    assert not any(pair.lower().startswith(("utm_", "fbclid", "gclid")) for pair in query.split("&"))


@given(urls, st.lists(st.sampled_from(["utm_source=n", "utm%5Fx", "GCLID=a%20b", "fbclid=", "_hs%65nc=é"])), st.data())
def test_tracking_parameters_change_nothing_else(url: str, tracking: list[str], data: st.DataObject) -> None:
    """However a link was tracked, it leads to the thread of the page as its website writes it."""
    base, mark, query = url.partition("#")[0].partition("?")
    pieces = query.split("&") if mark else []
    for piece in tracking:
        pieces.insert(data.draw(st.integers(0, len(pieces))), piece)
    tracked = base + ("?" + "&".join(pieces) if pieces else "")
    assert page_url(tracked) == page_url(url)


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://Blog.Example", "https://blog.example/"),
        ("https://blog.example:443/a", "https://blog.example/a"),
        ("http://blog.example:443/a", "http://blog.example:443/a"),
        ("https://blog.example/A?b=1&utm_source=x&c=2#d", "https://blog.example/A?b=1&c=2"),
        ("https://blog.example/?utm_source=x", "https://blog.example/"),
        ("https://blog.example/?q=a%20b&utm_x=1", "https://blog.example/?q=a%20b"),
        ("https://blog.example/?q=a%20b", "https://blog.example/?q=a%20b"),
        ("https://blog.example/?a&fbclid=1", "https://blog.example/?a"),
        ("https://blog.example/?q=%E4&utm_x=1&;=é", "https://blog.example/?q=%E4&;=é"),
        ("https://blog.example/?utm%5Fsource=x&a=1", "https://blog.example/?a=1"),
        ("https://blog.example//a", "https://blog.example//a"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"),
    ],
)
def test_these_urls_have_these_pages(url: str, page: str) -> None:
    """Host in lower case, default port gone, the rest as it is but for tracking."""
    assert page_url(url) == page


@pytest.mark.parametrize("url", ["https://blog.example", "https://BLOG.example:443/x?y", "https://blog.example/#z"])
def test_an_origin_is_scheme_host_and_port(url: str) -> None:
    """A default port is left out."""
    assert origin(url) == "https://blog.example"


@pytest.mark.parametrize(
    "host", ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "b\u0075\u0308cher.example"]
)
def test_an_origin_has_its_host_as_browsers_send_it(host: str) -> None:
    """The form of DNS; a page's own URL stays as it was, and with it its thread."""
    assert origin(f"https://{host}/x") == "https://xn--bcher-kva.example"
    assert origin(origin(f"https://{host}:8443/")) == "https://xn--bcher-kva.example:8443"
    assert page_url("https://bücher.example/x") == "https://bücher.example/x"
