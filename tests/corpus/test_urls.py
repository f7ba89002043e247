"""URLs: one spelling for one page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.corpus.urls import host_of, normalise_url


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("HTTP://Example.ORG:80/a/../b/?utm_source=x&b=2&a=1#top", "//example.org/b?a=1&b=2"),
        ("https://example.org:443/b?b=2&&a=1", "//example.org/b?a=1&b=2"),
        ("https://example.org:8443/", "//example.org:8443"),
        ("http://example.org:443/", "//example.org:443"),
        (" https://user:secret@example.org./x\n", "//example.org/x"),
        ("https://example.org/%7euser/%c3%a9%2f", "//example.org/~user/%C3%A9%2F"),
        ("https://example.org/~user/é/", "//example.org/~user/%C3%A9"),
        ("http://münchen.de/x;jsessionid=AB?q", "//xn--mnchen-3ya.de/x?q"),
        ("https://example.org/#!/page", "//example.org#!/page"),
        ("https://example.org/a//b/./c/..", "//example.org/a//b"),
        ("https://example.org/?gclid=1&fbclid=2&ID=3", "//example.org?ID=3"),
        ("http://[2001:DB8::1]:80/x", "//[2001:db8::1]/x"),
        ("http://example.org:99999/x", "http://example.org:99999/x"),
        ("http://[broken/x", "http://[broken/x"),
        ("mailto:a@b.org", "mailto:a@b.org"),
        ("", ""),
    ],
)
def test_spellings(url, plain):
    assert normalise_url(url) == plain


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("http://a.org/X", "http://a.org/x"),
        ("http://a.org/?p=1", "http://a.org/?p=2"),
        ("http://a.org/x", "http://www.a.org/x"),
        ("http://a.org/a%2Fb", "http://a.org/a/b"),
        ("http://a.org:8080/", "http://a.org/"),
    ],
)
def test_other_pages_stay_apart(left, right):
    assert normalise_url(left) != normalise_url(right)


PIECES = st.text(alphabet="ab/.?#&=%2e;:@[]\\ é\ud800\t~!", max_size=20)


@given(st.sampled_from(["http://", "HTTPS://", "//", ""]), PIECES, PIECES)
def test_twice_is_once(scheme, host, rest):
    once = normalise_url(f"{scheme}{host}/{rest}")
    assert normalise_url(once) == once


@pytest.mark.parametrize(
    ("url", "host"), [("https://A.org:8080/x", "a.org:8080"), ("x/y", ""), ("//a.org?x/y", "a.org")]
)
def test_host(url, host):
    assert host_of(url) == host
