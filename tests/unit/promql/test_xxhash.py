import pytest

from watchfleet.promql.xxhash import xxh64


@pytest.mark.parametrize(
    ("data", "value"),
    [  # from the reference implementation's own tests and documentation
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"abc", 0x44BC2CF5AD770999),
        (b"Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1),
    ],
)
def test_known_texts_have_known_hashes(data: bytes, value: int) -> None:
    assert xxh64(data) == value
