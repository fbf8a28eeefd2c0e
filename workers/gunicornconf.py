"""How gunicorn serves the web process: `python -m gunicorn -c workers/gunicornconf.py workers.web:app`."""

from pathlib import Path

worker_class = "gthread"  # requests are short or wait for the store; a process more would only cost memory
workers = 1  # snapshots of health and metrics are kept once a process
threads = 8  # a slow reader holds one
timeout = 30  # a worker whose loop is stuck that long is replaced
graceful_timeout = 10  # below the ten seconds that most supervisors give
keepalive = 5  # a scraper or load balancer reuses its connection within a probe's interval
control_socket_disable = True  # it would lie in the user's home, shared by every gunicorn there
accesslog = None  # health checks come every second; failures are logged, requests are counted by the proxy
logger_class = "workers.logs.GunicornLogger"  # where every other process of the fleet logs, too
loglevel = "warning"  # starts and stops are the supervisor's news
_memory = Path("/dev/shm")  # noqa: S108 - a heartbeat file only; on a disk, a slow one stalls the worker
worker_tmp_dir = str(_memory) if _memory.is_dir() else None
