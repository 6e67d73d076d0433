"""`mock-scep-server judge`: what captured requests show about their client.

Reads a message, a request as it was on the wire, a directory of saved exchanges, an HTTP archive (HAR), or a packet
capture. It makes no decisions itself: one `Judge` sees all requests in order, so that it also finds mistakes that span
several messages.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.shared.content_keys import content_keys_beside
from mfp_sim.shared.errors import DecodeError, EnvelopeUnreadable, UsageError
from mfp_sim.shared.files import octets_of, rsa_key_of
from mfp_sim.shared.http_octets import reply_of, request_of
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.envelope import EnvelopeKeys
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, ScepQuery, read_capabilities, read_scep_query
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.shared.visible import one_line
from mock_scep_server.captures import captured_exchanges, is_capture
from mock_scep_server.judgement import ClientJudge, Finding

__all__ = ["judge"]

_CAP = 64 * 1024 * 1024
"""The size of the largest file that is read, in bytes."""


def judge(options: argparse.Namespace) -> int:
    """Print findings about captured requests; return 1 if any verdict is `fail`, 2 if one of several was not judged.

    Raises:
        UsageError: the file contains nothing to judge, or its only request cannot be judged.
    """
    if not options.name:
        raise UsageError("judge needs a captured file or directory", remedy="mock-scep-server judge request.der")
    key = rsa_key_of(options.key) if options.key else None
    judge = ClientJudge(options.caps.split(",") if options.caps else None)
    captured = list(_captured(Path(options.name)))
    judged: list[tuple[str, str, list[Finding]]] = []
    left: list[tuple[str, UsageError]] = []
    for found in captured:
        try:
            findings = _findings(judge, found, key)
        except UsageError as error:
            if len(captured) == 1:
                where = "" if found.where == Path(options.name).name else f"{found.where}: "
                raise UsageError(f"{options.name}: {where}{error.message}", remedy=error.remedy) from None
            left.append((found.where, error))
            continue
        if findings or found.message is not None:
            judged.append((found.where, found.name, findings))
        _learn(judge, found, caps=options.caps is None)
    if not judged and not left:
        raise UsageError(f"{options.name} contains no pkiMessage from a client")
    found_all = [finding for _, _, findings in judged for finding in findings]
    code = 1 if any(finding.verdict == "fail" for finding in found_all) else UsageError.exit_code if left else 0
    if options.json:
        rows = [{"message": where, **finding.to_json()} for where, _, findings in judged for finding in findings]
        rows += [
            {"message": where, "requirement": "", "verdict": "not judged", "text": str(trouble)}
            for where, trouble in left
        ]
        print(json.dumps(rows, indent=2))
        return code
    several = len(judged) + len(left) > 1
    for where, label, findings in judged:
        if several:
            print(f"{one_line(where)}: {one_line(label)}")
        for finding in findings:
            print(f"{'  ' * several}{one_line(str(finding))}")
    for where, trouble in left:
        print(f"{one_line(where)}: not judged: {one_line(str(trouble))}")
    inside = (
        ""
        if key or all(one.content_keys for one in captured if one.message is not None)
        else "; the encrypted content was not examined (no --key)"
    )
    what = one_line(judged[0][1]) if len(judged) == 1 else f"{len(judged)} messages"
    also = f"; {len(left)} not judged" if left else ""
    print(f"{what}, {len(found_all) or 'no'} finding{'s' * (len(found_all) != 1)}{also}{inside}")
    return code


@dataclass(frozen=True)
class _Captured:
    """A captured request, its place, its HTTP request if known, and its reply.

    `message` is None if the request is not a PKIOperation, or if `problem` says why it cannot be read. `trouble` says
    why there is no request at all.
    """

    where: str
    name: str
    message: PkiMessage | None = None
    request: HttpRequest | None = None
    query: ScepQuery | None = None
    content_keys: tuple[bytes, ...] = ()
    problem: DecodeError | None = None
    reply: HttpReply | None = None
    trouble: UsageError | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Findings about how the request was transported."""
        return self.query.notes if self.query is not None else ()


def _findings(judge: ClientJudge, captured: _Captured, key: RSAPrivateKey | None) -> list[Finding]:
    message, request, csr = captured.message, captured.request, None
    if captured.trouble is not None:
        raise captured.trouble
    if captured.problem is not None:
        return list(judge.broken(captured.notes, captured.problem, base64=captured.query is None))
    if message is None:
        assert request is not None
        assert captured.query is not None
        # Without a captured GetCACaps it is unknown whether GetNextCACert is advertised, and the judge says nothing
        # about it.
        return [*judge.noted(captured.notes), *judge.operation(request, captured.query, next_advertised=True)]
    keys = EnvelopeKeys(() if key is None else (key,), captured.content_keys)
    unreadable = None
    if keys:
        try:
            data = _opened(message, keys)
        except (DecodeError, EnvelopeUnreadable) as error:
            raise UsageError(f"the encrypted content of {captured.where} cannot be judged: {error}") from None
        try:
            csr = Csr.from_der(data) if message.label in ("PKCSReq", "RenewalReq") else None
        except DecodeError as error:
            unreadable = str(error)
    noted = [*captured.notes, *(str(note) for note in (*message.notes, *(csr.notes if csr else ())))]
    return list(
        judge.message(
            request,
            message,
            now=message.signing_time,
            signer=message.signer(),
            csr=csr,
            noted=noted,
            unreadable=unreadable,
        )
    )


def _opened(message: PkiMessage, keys: EnvelopeKeys) -> bytes:
    if message.closed is not None:
        raise message.closed
    if message.envelope is None:
        raise EnvelopeUnreadable("the message has no envelope")
    return keys.open(message.envelope)


def _learn(judge: ClientJudge, captured: _Captured, *, caps: bool) -> None:
    """Note what a reply says about the server: later requests are judged by it."""
    reply, query = captured.reply, captured.query
    if reply is None or query is None or reply.status != 200:
        return
    if query.operation == Operation.GET_CA_CAPS and caps:
        judge.learn(read_capabilities(reply.body).keywords)
    elif query.operation == Operation.GET_CA_CERT:
        with contextlib.suppress(DecodeError):
            judge.know(messages.read_ca_certificates(reply.body, reply.media_type)[0])


# --- what was captured ------------------------------------------------------------------------------------


def _captured(path: Path) -> Iterator[_Captured]:
    """Yield each request; among several, an unreadable one is a finding, not an error."""
    if path.is_dir():
        for file in sorted(path.glob("*.request.http")):
            yield _each(file.name, partial(_of_file, file))
        return
    octets = octets_of(path, _CAP)
    if is_capture(octets):
        for number, exchange in enumerate(captured_exchanges(octets, path), 1):
            where = f"exchange {number} of {exchange.client}"
            if exchange.problem:
                yield _Captured(where, "", trouble=UsageError(f"the HTTP request cannot be read: {exchange.problem}"))
                continue
            yield _of_request(where, exchange.request, reply=exchange.reply)
    elif octets.lstrip()[:1] == b"{":
        for number, entry in enumerate(_archive(path, octets), 1):
            where = f"entry {number}"
            yield _each(where, partial(_of_entry, where, entry))
    elif octets[:4] in (b"GET ", b"POST"):
        found = _each(path.name, lambda: _of_whole(path.name, request_of(octets), content_keys_beside(path)))
        if found.problem is not None:
            raise UsageError(f"{path} contains no pkiMessage: {found.problem}")
        yield found
    else:
        try:
            message = messages.decode(octets)
        except DecodeError as error:
            raise UsageError(f"{path} contains no pkiMessage: {error}") from None
        yield _Captured(path.name, message.label, message)


def _each(where: str, read: Callable[[], _Captured]) -> _Captured:
    """One of several requests: that it cannot be read is its own result, and no other's."""
    try:
        return read()
    except UsageError as error:
        return _Captured(where, "", trouble=error)


def _of_file(file: Path) -> _Captured:
    request = request_of(octets_of(file, _CAP))
    return _of_whole(file.name, request, content_keys_beside(file), _reply_beside(file))


def _of_whole(
    where: str,
    request: HttpRequest,
    content_keys: tuple[bytes, ...] = (),
    reply: HttpReply | None = None,
    size: int | None = None,
) -> _Captured:
    """Read the message of a request whose body should have `size` bytes; by default, that is its Content-Length.

    Raises:
        UsageError: the message is not readable, and a part of the body was not captured.
    """
    found = _of_request(where, request, content_keys, reply)
    length = request.header("Content-Length") or ""
    if size is None and length.isascii() and length.isdecimal():
        size = int(length[:20])
    if found.problem is not None and size is not None and len(request.body) < size:
        raise UsageError(f"only {len(request.body)} of {size} bytes of the request's body were captured")
    return found


def _of_request(
    where: str, request: HttpRequest, content_keys: tuple[bytes, ...] = (), reply: HttpReply | None = None
) -> _Captured:
    """Read the message of a request."""
    query: ScepQuery | None = None
    try:
        query = read_scep_query(request)
        if query.operation != Operation.PKI_OPERATION:
            return _Captured(where, query.operation or "(no operation)", None, request, query, reply=reply)
        message = messages.decode(query.message or b"")
    except DecodeError as error:
        return _Captured(where, "PKIOperation", None, request, query, problem=error)
    return _Captured(where, message.label, message, request, query, content_keys, reply=reply)


def _reply_beside(file: Path) -> HttpReply | None:
    """The reply that was saved with a request; None if there is no complete one."""
    beside = file.with_name(file.name.replace(".request.http", ".reply.http"))
    try:
        return reply_of(octets_of(beside, _CAP)) if beside.is_file() else None
    except (http.client.HTTPException, ValueError, OSError):
        return None


def _archive(path: Path, octets: bytes) -> list[Any]:
    """The entries of an HTTP archive, in order."""
    try:
        return [*json.loads(octets)["log"]["entries"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{path} is not an HTTP archive (HAR): {type(error).__name__}: {error}") from None


def _of_entry(where: str, entry: Any) -> _Captured:
    """Read the message of an entry; its body is in base64, or has one character for each byte.

    Raises:
        UsageError: the entry has no readable request, or not its whole body.
    """
    try:
        said = entry["request"]
        body = said.get("postData") or {}
        text = str(body.get("text", ""))
        encoded = body.get("encoding") == "base64"
        size = said.get("bodySize", -1)
        request = HttpRequest(
            str(said["method"]),
            Url.parse(str(said["url"])).target,
            tuple((str(field["name"]), str(field["value"])) for field in said.get("headers", ())),
            base64.b64decode(text, validate=True) if encoded else text.encode("latin-1"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"the entry has no readable request: {type(error).__name__}: {error}") from None
    found = _of_whole(where, request, size=size if isinstance(size, int) and size >= 0 else None)
    known = "text" in body or size == 0 or request.header("Content-Length") is not None
    if found.problem is not None and request.method != "GET" and not known:
        raise UsageError("the archive does not have the request's body")
    return found
