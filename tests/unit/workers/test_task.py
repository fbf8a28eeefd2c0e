import pytest

from workers.task import shown_call


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (17, "17"),
        (2.5, "2.5"),
        ("probes", "'probes'"),
        ("x" * 100, "'" + "x" * 80 + "'..."),
        ("postgresql://me:topsecret@db/x", "'postgresql://me:***@db/x'"),
        ({"url": "payload"}, "<dict of 1>"),
        (b"payload", "<bytes of 7>"),
        (["a", "b"], "['a', 'b']"),
        (["a", "b", "c", "d", "e"], "['a', 'b', 'c', ... 2 more]"),
        ([["payload"], {"p": 1}], "[<list of 1>, <dict of 1>]"),
        (object(), "<object>"),
    ],
)
def test_an_argument_shows_no_payload_and_no_secret(value: object, text: str):
    assert shown_call((value,), {"name": value}) == (f"({text})", f"{{name={text}}}")


def test_a_call_without_arguments():
    assert shown_call((), {}) == ("()", "{}")
