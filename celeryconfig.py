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
broker_pool_limit = 4  # a publisher or two and the control channel of each process
broker_heartbeat = 10  # RabbitMQ notices a dead peer in 20 s instead of two minutes
if _redis:
    broker_transport_options = {
        "visibility_timeout": 900,  # above every time limit, so that nothing runs twice while it runs
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
accept_content = ["json"]  # never pickle: whoever writes to the broker could run code here
task_serializer = "json"
result_serializer = "json"
event_serializer = "json"
timezone = "UTC"
enable_utc = True

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
    "watchfleet.rules.*": {"queue": "watchfleet.rules"},
    "watchfleet.upkeep.*": {"queue": "watchfleet.upkeep"},
    **{f"watchfleet.alerts.{name}.*": {"queue": fleet.channel_queue(name)} for name in fleet.channel_names()},
}

# --- tasks
imports = ("tasks",)
task_acks_late = True  # a killed worker's task runs again; every task of ours may
task_acks_on_failure_or_timeout = True  # a task that fails by itself would only fail again
task_time_limit = 300  # nothing runs for ever
task_soft_time_limit = 240  # time to write down what was running
task_ignore_result = True  # results live in the store; a broker is no place for them
task_send_sent_event = True  # Flower shows how long a task waited
task_track_started = False  # events tell; a result write a task would double the broker's load

# --- results
result_backend = _settings.cache_url  # only for tasks that ask for it
result_expires = 3600  # a day of them is memory for nothing

# --- workers
worker_prefetch_multiplier = 1  # no message waits behind a slow one while another process is idle
worker_send_task_events = True  # Flower
worker_soft_shutdown_timeout = 20  # running tasks end on SIGTERM, what remains goes back to its queue
worker_enable_soft_shutdown_on_idle = True  # hands back what is held for later, too
worker_cancel_long_running_tasks_on_connection_loss = True  # its message is already on its way to another
worker_max_tasks_per_child = 5000  # a slow leak ends here
worker_hijack_root_logger = False  # our formatter, with redaction, stays in place
worker_redirect_stdouts = False  # a print is a print

# --- beat
beat_scheduler = "workers.beat:PostgresScheduler"  # two run, one acts
beat_schedule = schedules.beat_schedule(_settings.schedules)
beat_max_loop_interval = 1  # a standby looks once a second whether it must lead
beat_enable_remote_control = True  # `inspect ping` reaches beat, and goes silent when ticks stall
