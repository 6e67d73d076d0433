"""The mock as a WSGI application (Flask), to mount in your own server or test client.

`flask --app mock_scep_server.app run` serves a CA with the defaults of the command. A server that calls the factory
passes options of the command: `mock_scep_server.app:create_app(options=["--profile", "lenient"])`. WSGI cannot express
a reset or a stall: a delivery that does not end with a complete reply aborts the response. The host in `server.py`
plays every delivery exactly.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from flask import Flask, Response, request

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.scep.http_messages import MESSAGE_CAP, Delivery, HttpRequest, Send, Wait
from mock_scep_server.cli import wsgi_options
from mock_scep_server.cli_serving import for_wsgi
from mock_scep_server.control import ControlService
from mock_scep_server.server import Service

__all__ = ["DeliveryAborted", "create_app"]

_CONTROL = "/control/"
_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]


class DeliveryAborted(ConnectionAbortedError):
    """The delivery breaks off on purpose; the WSGI server should drop the connection."""


def create_app(
    service: Service | None = None, *, options: Sequence[str] = (), control: ControlService | None = None
) -> Flask:
    """Make an application in which every path is the CA's URL, as in `server.py`, except those below `/control` if
    there is a control port.

    Args:
        service: the CA; None: make it from `options`, which are those of `mock-scep-server`. With
            `--control-token-file` (or `-env`) among them, it has a control port.
        control: the control port of `service`.

    Raises:
        UsageError: the control port has no token, although a WSGI server may be reachable from anywhere.
    """
    if service is None:
        service, control = for_wsgi(wsgi_options(options))
    if control is not None and not control.locked:
        raise UsageError("under WSGI the control port needs a token", remedy="give ControlService a token")
    app = Flask("mock_scep_server", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MESSAGE_CAP
    app.config["PROPAGATE_EXCEPTIONS"] = True
    front = service

    @app.route("/", defaults={"path": ""}, methods=_METHODS)
    @app.route("/<path:path>", methods=_METHODS)
    def scep(path: str) -> Response:  # noqa: ARG001 - every path is the same
        if control is None or not f"{request.path}/".startswith(_CONTROL):
            return _answered(front, request.path)
        rest = request.path.removeprefix(_CONTROL.rstrip("/"))
        return _answered(control, rest) if rest else Response(status=308, headers={"Location": "control/"})

    return app


def _answered(service: Service, path: str) -> Response:
    query = request.query_string.decode("latin-1")
    received = HttpRequest(
        request.method,
        path + (f"?{query}" if query else ""),
        tuple((str(name), str(value)) for name, value in request.headers),
        request.get_data(),
        str(request.environ.get("SERVER_PROTOCOL", "HTTP/1.1")),
        "https" if request.is_secure else "http",
    )
    return _response(service.handle(received, request.remote_addr or "unknown"))


def _response(delivery: Delivery) -> Response:
    delivery.tell("ended")  # the code here cannot know how the mounting server handles it
    for act in delivery.acts:
        if isinstance(act, Wait):
            threading.Event().wait(act.seconds)
        elif not isinstance(act, Send):
            raise DeliveryAborted("the delivery breaks off on purpose")
    reply = reply_of(delivery.octets)
    hop = {"connection", "transfer-encoding", "content-length"}
    return Response(
        reply.body,
        status=f"{reply.status} {reply.reason}",
        headers=[(name, value) for name, value in reply.headers if name.lower() not in hop],
    )
