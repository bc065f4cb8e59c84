"""What UPLOAD may say."""

from __future__ import annotations

import pytest

from tap.upload.models import MAX_TABLES, Upload, read_uploads
from vo.core.errors import ParameterError


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["t,param:p"], [("t", "param:p")]),
        (["t, param:p ; u,https://a.org/x"], [("t", "param:p"), ("u", "https://a.org/x")]),
        (["t,param:p", "u,param:q;v,param:r"], [("t", "param:p"), ("u", "param:q"), ("v", "param:r")]),
        (["t,param:p;"], [("t", "param:p")]),
        (["t,http://a.org/x;y=1,2"], [("t", "http://a.org/x;y=1,2")]),
        (["t,http://a.org/x?q=a,b;c;u,param:q"], [("t", "http://a.org/x?q=a,b;c"), ("u", "param:q")]),
        (["TAP_UPLOAD.t,param:p"], [("t", "param:p")]),
        (["t,PARAM:p"], [("t", "PARAM:p")]),
        (["t,param:p", "t,param:p"], [("t", "param:p")]),
        ([], []),
        ([""], []),
    ],
)
def test_every_form_of_the_parameter_is_read(values: list[str], expected: list[tuple[str, str]]) -> None:
    assert read_uploads(values) == tuple(Upload(name, uri) for name, uri in expected)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("t", "'t' is not a name and a URI"),
        ("t,", "is not a name and a URI"),
        ("my table,param:p", "'my table' cannot be the name of a table"),
        ("1t,param:p", "cannot be the name"),
        ("select,param:p", "cannot be the name"),
        ("a.b,param:p", "cannot be the name"),
        ("t,file:///etc/passwd", "neither a part of the request nor a URL"),
        ("t,vos://a/b", "neither a part"),
        ("t,p", "neither a part"),
        ("t,param:p;T,param:q", "two tables are called T"),
        (";".join(f"t{number},param:p" for number in range(MAX_TABLES + 1)), f"names {MAX_TABLES + 1} tables"),
    ],
)
def test_what_is_no_upload_is_refused_by_name(value: str, message: str) -> None:
    with pytest.raises(ParameterError, match=f"UPLOAD: .*{message}"):
        read_uploads([value])


def test_a_part_is_told_from_a_url() -> None:
    assert Upload("t", "param:p").part == "p"
    assert Upload("t", "http://a.org/param:p").part is None
    assert Upload("t", "param:p").full_name == "tap_upload.t"
