"""The same fleet on RabbitMQ: an embedded Valkey is left to keep the shared cache."""

from support.fleet import PATIENCE, Fleet
from support.servers import wait_until

from watchfleet.clock import utcnow


def test_a_fleet_on_rabbitmq_is_healthy_and_probes(own_fleet: Fleet, rabbitmq_url: str) -> None:
    own_fleet.environment["BROKER_URL"] = rabbitmq_url
    said = own_fleet.up().stdout
    assert "BROKER_URL: RabbitMQ" in said
    begun = utcnow()
    environment = own_fleet.process_environment("probes")
    assert environment["BROKER_URL"] == rabbitmq_url
    assert environment["REDIS_URL"].startswith("redis://")
    expected = {"postgres", "redis", "broker", "celery-workers", "celery-queues", "celery-beat"}
    wait_until(lambda: own_fleet.targets_up_since(begun) >= expected, PATIENCE, every=0.5)
    own_fleet.down()
    own_fleet.assert_nothing_is_left()
