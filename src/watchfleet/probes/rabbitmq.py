"""`rabbitmq`: does an AMQP broker accept a connection, a login and a channel?"""

from amqp.exceptions import AccessRefused, NotAllowed
from pydantic import Field, SecretStr

from watchfleet.model import ProbeResult
from watchfleet.probes import reasons
from watchfleet.probes.brokers import FAILURES, broker_url, connected
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason


class RabbitmqOptions(Options):
    """The settings of `rabbitmq`."""

    url: SecretStr | None = Field(None, description="The broker, amqp://... Not set: the fleet's own.")


def probe(target: Target, options: RabbitmqOptions, deadline: Deadline) -> ProbeResult:
    """Connect, log in, open a channel."""
    attempt = Attempt(target)
    try:
        with connected(broker_url(options.url), deadline) as connection:
            connection.channel().close()
    except LookupError as error:
        return attempt.unknown(Reason.PROBE_ERROR, str(error))
    except FAILURES as error:
        if any(isinstance(cause, AccessRefused | NotAllowed) for cause in reasons.causes(error)):
            return attempt.down(Reason.AUTH_FAILED, "the broker refused the login or the virtual host")
        reason = reasons.of_exception(error)
        return attempt.down(reason, f"no connection to the broker: {reason.replace('_', ' ')}")
    return attempt.up()
