"""The application of a worker whose tasks work on the shop: `celery -A benchmarks._shop_worker worker`."""

import os

import redis
from celery import Celery

from benchmarks import _shop

_name, _broker = os.environ["BENCH_HOST"], os.environ["BENCH_BROKER"]
_engine, _done = _shop.engine(os.environ["BENCH_DATABASE"]), redis.Redis.from_url(_broker)
app = Celery("bench", broker=_broker)
app.conf.update(task_ignore_result=True, worker_hijack_root_logger=False)

if _name != "bare":
    import watchfleet

    _endpoint = f"http://{os.environ['BENCH_SINK']}" if _name == "ours_with_spans" else None
    watchfleet.instrument(app, engine=_engine, service="bench", broker_url=_broker, otlp_endpoint=_endpoint)


@app.task(name="add_up")
def add_up(number: int) -> None:
    """Add an order up, and count it as done."""
    _shop.add_up(_engine, number)
    _done.incr(f"{_name}:done")
