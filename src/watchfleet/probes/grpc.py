"""`grpc`: does a server say by the gRPC health protocol that it serves?"""

from typing import Final

import grpc  # type: ignore[import-untyped]  # its stubs are another distribution
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # likewise
from pydantic import Field

from watchfleet.model import ProbeResult
from watchfleet.probes.certificates import CheckedAddress
from watchfleet.probes.probe import Attempt, Deadline, Target
from watchfleet.probes.reasons import Reason
from watchfleet.probes.sockets import FailedError, allowed, split

_CODES: Final = {
    grpc.StatusCode.NOT_FOUND: (Reason.NOT_SERVING, "the server knows no such service"),
    grpc.StatusCode.UNIMPLEMENTED: (Reason.PROTOCOL_ERROR, "the server has no health service"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (Reason.TIMEOUT, "no answer in time"),
    grpc.StatusCode.UNAUTHENTICATED: (Reason.AUTH_FAILED, "the server refused the login"),
    grpc.StatusCode.PERMISSION_DENIED: (Reason.AUTH_FAILED, "the server refused the login"),
}
_LOST: Final = (Reason.CONNECTION_FAILED, "no connection")


class GrpcOptions(CheckedAddress):
    """The settings of `grpc`."""

    service: str = Field("", description="The service that is asked for. Not set: the server as a whole.")
    tls: bool = Field(default=False, description="Whether to speak TLS.")


def probe(target: Target, options: GrpcOptions, deadline: Deadline) -> ProbeResult:
    """Ask `grpc.health.v1.Health/Check`."""
    attempt = Attempt(target)
    try:
        host, port = split(options.address)
        (_family, where), *_ = allowed(host, port, options.ip_version)
    except FailedError as error:
        return attempt.down(error.reason, error.detail)
    with _channel(options, str(where[0]), port, options.server_name or host) as channel:
        question = health_pb2.HealthCheckRequest(service=options.service)
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(question, timeout=deadline.remaining())
        except grpc.RpcError as error:
            return attempt.down(*_CODES.get(error.code(), _LOST))
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return attempt.up()
    state = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return attempt.down(Reason.NOT_SERVING, f"the server says {state}")


def _channel(options: GrpcOptions, address: str, port: int, name: str) -> grpc.Channel:
    """A channel to the address that was checked, under the name that was asked for."""
    where = f"ipv6:[{address}]:{port}" if ":" in address else f"ipv4:{address}:{port}"
    plain: list[tuple[str, object]] = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    if not options.tls:
        return grpc.insecure_channel(where, options=plain)
    trusted = options.ca_file.read_bytes() if options.ca_file else None
    names = [("grpc.ssl_target_name_override", name), ("grpc.default_authority", name)]
    return grpc.secure_channel(where, grpc.ssl_channel_credentials(trusted), options=[*plain, *names])
