"""Which ids are taken, which are made, and that each thread has its own."""

from threading import Thread

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from watchfleet import correlation


@pytest.mark.parametrize("given", ["a", "A-1_b.c", "0" * 32, "x" * 128])
def test_an_id_of_the_right_form_is_taken_as_it_is(given: str) -> None:
    assert correlation.accepted(given) == given


@pytest.mark.parametrize(
    "given",
    ["", "x" * 129, "a b", "a\n", "a\nb", "\x1b[31m", '"a"', "ä", "٣", "a/b", "<script>", None, 7, ["a"]],
)
def test_anything_else_is_refused_and_never_mended(given: object) -> None:
    assert correlation.accepted(given) is None


def test_a_new_id_is_the_trace_id_where_there_is_a_span() -> None:
    assert correlation.accepted(correlation.new())
    assert len({correlation.new() for _ in range(100)}) == 100
    with TracerProvider(shutdown_on_exit=False).get_tracer("t").start_as_current_span("s") as span:
        assert correlation.new() == trace.format_trace_id(span.get_span_context().trace_id)
        assert correlation.current_span() == (
            trace.format_trace_id(span.get_span_context().trace_id),
            trace.format_span_id(span.get_span_context().span_id),
        )
    assert correlation.current_span() is None


def test_a_block_has_its_id_and_leaves_what_was_before() -> None:
    seen: list[str | None] = []
    with correlation.bound("outer"):
        with correlation.bound() as inner:
            assert correlation.current() == inner
        thread = Thread(target=lambda: seen.append(correlation.current()))
        thread.start()
        thread.join()
        assert correlation.current() == "outer"
    assert correlation.current() is None
    assert seen == [None]


def test_an_exemplar_names_what_can_be_looked_up_and_keeps_to_the_limit() -> None:
    assert correlation.exemplar() is None
    with correlation.bound("order-1"):
        assert correlation.exemplar() == {"correlation_id": "order-1"}
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with tracer.start_as_current_span("x") as span, correlation.bound("x" * 128):
        assert correlation.exemplar() == {"trace_id": f"{span.get_span_context().trace_id:032x}"}
