"""Every Celery setting of the fleet, and the only place for one. Each non-default carries its reason."""

from kombu.entity import Exchange, Queue

import schedules
from watchfleet import fleet
from watchfleet.settings import get_settings

_settings = get_settings()
_broker = _settings.broker_url.get_secret_value() if _settings.broker_url else "redis://127.0.0.1:6379/0"
_redis = not _broker.startswith(("amqp", "pyamqp"))

# --- broker
broker_url = _broker
broker_connection_retry_on_startup = True  # a fleet may start before its broker
broker_connection_max_retries = None  # an outage ends when it ends; the supervisor is no better at waiting
broker_pool_limit = 80  # opened as needed; a broadcast holds two, and Flower makes 33 at once: fewer deadlock
broker_heartbeat = 10  # RabbitMQ notices a dead peer in 20 s instead of two minutes
if _redis:
    broker_transport_options = {
        "visibility_timeout": 900,  # above twice the time limit: a task may wait for one before it runs
        "unacked_restore_interval": 5,  # a killed worker's messages come back after the timeout + 5 s
        "unacked_restore_throttle": 1,  # likewise
        "socket_timeout": 5,  # a half-open connection hangs 20 s at most instead of for ever
        "socket_connect_timeout": 5,  # likewise
        "socket_keepalive": True,  # likewise
        "health_check_interval": 5,  # likewise
        "client_name": "watchfleet",  # CLIENT LIST tells whose connection it is
    }
else:
    broker_transport_options = {"confirm_publish": True}  # a publish that RabbitMQ lost raises

# --- messages
accept_content = ["json"]  # the default, and said: with pickle, whoever writes to the broker runs code here

# --- queues
task_default_queue = fleet.DEFAULT_QUEUE  # Celery's own default would mix with other applications' messages
task_default_queue_type = "classic" if _redis else "quorum"  # survives the loss of a RabbitMQ node
task_create_missing_queue_type = task_default_queue_type  # the same for queues that are not listed
_arguments = None if _redis else {"x-queue-type": "quorum"}
task_queues = [
    Queue(name, Exchange(name, type="direct"), routing_key=name, queue_arguments=_arguments)
    for name in fleet.queue_names()
]
task_routes = {
    "watchfleet.probes.*": {"queue": "watchfleet.probes"},
    "watchfleet.ingest.*": {"queue": fleet.INGEST_QUEUE},
    "watchfleet.rollups.*": {"queue": "watchfleet.rollups"},
    "watchfleet.detectors.*": {"queue": "watchfleet.detectors"},
    "watchfleet.rules.*": {"queue": "watchfleet.rules"},
    "watchfleet.upkeep.*": {"queue": "watchfleet.upkeep"},
    **{f"watchfleet.alerts.{name}.*": {"queue": fleet.channel_queue(name)} for name in fleet.channel_names()},
}

# --- tasks
imports = ("tasks",)
task_acks_late = True  # a killed worker's task runs again; every task of ours may
task_retry_on_worker_lost = True  # a killed child's, too, but `max_retries` (3) times: it may be what kills
task_time_limit = 300  # nothing runs for ever
task_soft_time_limit = 240  # time to write down what was running
task_ignore_result = True  # results live in the store; a broker is no place for them
task_send_sent_event = True  # Flower shows how long a task waited

# --- results
result_backend = _settings.cache_url  # only for tasks that ask for it
result_expires = 3600  # a day of them is memory for nothing
redis_socket_timeout = 5  # who waits for a result waits for a dead server as long
redis_socket_connect_timeout = 5  # likewise
redis_socket_keepalive = True  # likewise

# --- workers
worker_prefetch_multiplier = 1  # no message waits behind a slow one while another process is idle
worker_send_task_events = True  # Flower
worker_soft_shutdown_timeout = 15  # on SIGTERM tasks may end, what remains goes back (workers/signals.py)
worker_cancel_long_running_tasks_on_connection_loss = True  # its message is already on its way to another
worker_max_tasks_per_child = 5000  # a slow leak ends here

# --- beat
beat_scheduler = "workers.beat:PostgresScheduler"  # two run, one acts
_idle = [] if _settings.scrape else ["watchfleet.probes.scrape_dispatch"]  # a tick a second for nothing
beat_schedule = schedules.beat_schedule(_settings.schedules, _idle)
beat_max_loop_interval = 1  # a leader that is silent for two has lost its place (watchfleet.db.leadership)
beat_enable_remote_control = True  # `inspect ping` reaches beat
beat_remote_control_max_tick_age = 10  # and goes silent when ticks stall, not only after a minute
