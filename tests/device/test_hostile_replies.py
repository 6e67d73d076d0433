"""Whatever a server sends, a request goes on or ends in Error with a diagnosis, and the machine is not busy after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from soak import Changes

from mfp_sim.client.exchange import ClientTransaction
from mfp_sim.device.settings import KeySettings
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.http_messages import HttpReply
from mfp_sim.shared.simtime import Entropy
from mfp_sim.transport import Done, InProcess, UnderWay

KEY = KeySettings("tls", "192.0.2.10", use="TLS", challenge="s3cret")


@pytest.fixture
def changing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[bytes], bytes]], None]:
    """From now on the body of each reply to an operation is changed on its way to the printer."""
    begin = InProcess.begin

    def change(operation: str, act: Callable[[bytes], bytes]) -> None:
        def changed(self: InProcess, host: str, port: int, request, timeout: float, done: Done) -> UnderWay:
            def instead(result: HttpReply | Exception) -> None:
                if isinstance(result, HttpReply) and operation in request.target:
                    result = replace(result, body=act(result.body))
                done(result)

            return begin(self, host, port, request, timeout, instead)

        monkeypatch.setattr(InProcess, "begin", changed)

    return change


def _ended(world) -> str:
    assert world.shown == ("error", "scep-error")
    diagnosis = next(e.diagnosis for e in reversed(world.printer.audit) if e.operation == "request failed")
    world.printer.update_communication(url="http://ca.example/scep")  # nothing is busy
    return diagnosis


def _retagged(name: bytes) -> bytes:
    """The Name with its first SET written as a SEQUENCE."""
    return name[:2] + b"\x30" + name[3:]


def test_a_signer_whose_issuer_is_not_a_name(machine, changing) -> None:
    world = machine()
    issuer = world.ca.authority.issuer.certificate.subject

    def change(body: bytes) -> bytes:
        at = body.rindex(issuer)
        return body[:at] + _retagged(issuer) + body[at + len(issuer) :]

    changing("PKIOperation", change)
    world.printer.send_request(KEY)
    assert _ended(world).startswith("unknown-signer: ")


@pytest.mark.parametrize(
    ("extension", "value", "words"),
    [
        (v.KEY_USAGE, der.utf8_string("all"), "certificate.keyUsage at byte 0: expected BIT STRING, got UTF8String"),
        (v.BASIC_CONSTRAINTS, der.boolean(True), "basicConstraints at byte 0: expected SEQUENCE, got BOOLEAN"),
    ],
)
def test_a_ca_certificate_with_a_malformed_extension(machine, changing, extension, value, words) -> None:
    world = machine()
    ca = world.ca.authority.issuer

    def change(_: bytes) -> bytes:
        rest = [(x509.basic_constraints_extension(True)), (x509.key_usage_extension("keyCertSign"))]
        others = [entry for entry in rest if entry[0] != extension]
        made = x509.issue(
            serial=5, issuer=ca.certificate.subject, subject=ca.certificate.subject, spki=ca.certificate.spki,
            not_before=ca.certificate.not_before, not_after=ca.certificate.not_after, signing_key=ca.key,
            extensions=[*others, (extension, True, value)],
        )  # fmt: skip
        return made.der

    changing("GetCACert", change)
    world.printer.send_request(KEY)
    assert words in _ended(world)
    assert "PKCSReq" not in world.asked


def test_an_issued_certificate_whose_names_are_none_is_not_taken(machine, monkeypatch) -> None:
    world = machine()
    read = messages.read_certs_only

    def changed(octets: bytes):
        first, *rest = read(octets)
        return (replace(first, subject=_retagged(first.subject)), *rest)

    monkeypatch.setattr(messages, "read_certs_only", changed)
    world.printer.send_request(KEY)
    assert _ended(world).startswith("unreadable: the CertRep is not readable: name[0] at byte 2: expected SET")
    assert world.names == ["Default Key"]


def test_a_certificate_that_never_expires_is_registered_and_shown(machine, monkeypatch) -> None:
    world = machine()
    read = messages.read_certs_only
    end = datetime.fromisoformat("9999-12-31T23:59:59+00:00")
    monkeypatch.setattr(messages, "read_certs_only", lambda o: tuple(replace(c, not_after=end) for c in read(o)))
    world.printer.send_request(KEY)
    assert world.shown == ("successful", None)


@pytest.mark.parametrize("where", ["next_request", "received"])
def test_what_nobody_foresaw_ends_the_request_and_is_told(machine, monkeypatch, where: str) -> None:
    world = machine()

    def planted(*_: object) -> None:
        raise ZeroDivisionError("planted\x1b[2J")

    monkeypatch.setattr(ClientTransaction, where, planted)
    with pytest.raises(ZeroDivisionError):
        world.printer.send_request(KEY)  # without a listener it is raised, once the end is committed
    assert _ended(world) == "unforeseen: ZeroDivisionError: planted\\x1b[2J"
    monkeypatch.undo()
    world.printer.send_request(KEY)
    assert world.shown == ("successful", None)


def test_what_nobody_foresaw_in_an_automatic_request_is_followed_by_the_next(machine, monkeypatch) -> None:
    world = machine()
    told: list[Exception] = []
    world.listeners(unforeseen=told.append)
    monkeypatch.setattr(ClientTransaction, "received", lambda *_: 1 // 0)
    world.timer(every_days=1)
    world.pass_time(days=2)
    assert [type(error) for error in told] == [ZeroDivisionError, ZeroDivisionError]
    assert world.printer.next_request is not None


@pytest.mark.parametrize("operation", ["GetCACaps", "GetCACert", "PKIOperation"])
def test_changed_replies_end_a_request_or_are_taken(machine, changing, operation: str) -> None:
    """Sixty changes of each body, by chance: none is unforeseen, since that would be raised here."""
    world, changes = machine(), Changes(Entropy(17))
    changing(operation, changes.of)
    ends = set()
    for _ in range(60):
        world.printer.send_request(KEY)
        ends.add(world.shown)
        for entry in world.printer.key_list():
            assert entry.certificate.subject_text
            if not entry.default:
                world.printer.set_function("TLS", False)
                world.printer.delete_key(entry.name)
    assert ("error", "scep-error") in ends or operation == "GetCACaps"
    assert {state for state, _ in ends} <= {"error", "successful"}
