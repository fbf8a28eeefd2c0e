import pytest
from support.servers import PostgresServer, free_port

from watchfleet.embedded import dependencies
from watchfleet.errors import FleetError

VALKEY = {"valkey_version": "9.1.2", "redis_version": "7.2.4", "maxmemory_policy": "noeviction"}


def test_postgres_answers_with_its_version(postgres_server: PostgresServer) -> None:
    assert dependencies.check_database(postgres_server.url()).startswith("PostgreSQL 18.")


def test_valkey_answers_with_its_version(redis_url: str) -> None:
    assert dependencies.check_broker(redis_url).startswith("Valkey 9.")


@pytest.mark.parametrize(
    ("url", "who"),
    [
        ("postgresql://u:topsecret@127.0.0.1:{}/x", "PostgreSQL"),
        ("redis://:topsecret@127.0.0.1:{}/0", "Redis"),
        ("amqp://u:topsecret@127.0.0.1:{}//", "RabbitMQ"),
    ],
)
def test_a_server_that_is_not_there_is_named_and_its_password_is_not(url: str, who: str) -> None:
    check = dependencies.check_database if who == "PostgreSQL" else dependencies.check_broker
    with pytest.raises(FleetError, match=f"{who} does not answer") as caught:
        check(url.format(free_port()))
    assert "topsecret" not in str(caught.value)


def test_a_wrong_password_is_told_apart(redis_url: str) -> None:
    with pytest.raises(FleetError, match=r"(?i)password|NOAUTH|invalid"):
        dependencies.check_redis(redis_url.replace("redis://:", "redis://:wrong"))


@pytest.mark.parametrize(
    ("facts", "complaint"),
    [
        ({"redis_version": "6.0.16"}, "Redis 6.0.16, and watchfleet needs Redis 6.2"),
        ({**VALKEY, "maxmemory_policy": "allkeys-lru"}, "allkeys-lru, which drops tasks"),
    ],
)
def test_a_broker_that_will_not_do_is_refused_with_the_reason(facts: dict[str, str], complaint: str) -> None:
    with pytest.raises(FleetError, match=complaint):
        dependencies.judge_redis(facts)


@pytest.mark.parametrize(
    ("facts", "name"), [(VALKEY, "Valkey 9.1.2"), ({"redis_version": "6.2.14"}, "Redis 6.2.14")]
)
def test_a_broker_that_will_do_is_named(facts: dict[str, str], name: str) -> None:
    assert dependencies.judge_redis(facts) == name
