"""Why an enrolment failed, in one sentence: a table of causes for an exchange, and one for a client's transactions.

The first cause that fits is reported, so the tables are ordered from certain to likely. Each sentence is about what was
seen; if only the CA knows the cause, it says what the failInfo means. Decides nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mfp_sim.conformance.outcomes import Inconclusive
from mfp_sim.proxy.observing import SeenExchange, Sight, algorithms_of
from mfp_sim.shared.errors import ConnectFailed, ConnectionLost, DeadlineExceeded, MalformedHttp, TransportError
from mfp_sim.shared.scep.certificate import name_text
from mfp_sim.shared.scep.http_messages import PKI_MESSAGE
from mfp_sim.shared.scep.vocabulary import FailInfo, Operation, PkiStatus

__all__ = ["CAUSES", "ENROLS", "REQUEST_CAUSES", "STORIES", "SeenEnrolment", "enrolments", "explain", "story_of"]

ExchangeCause = Callable[[Sight], "str | None"]
_CLOCK_SECONDS: Final = 300
"""A signingTime further off than this is a wrong clock."""
_MOST: Final = 160
"""The most characters of a foreign text in a sentence."""


# --- what is wrong with a request that the CA refuses ------------------------------------------------------


def _found(*requirements: str) -> ExchangeCause:
    """The sentence of a finding about the client."""

    def cause(sight: Sight) -> str | None:
        return next((f.text for f in sight.client_findings if f.requirement in requirements), None)

    return cause


def _unlisted(sight: Sight) -> str | None:
    """An algorithm that the CA does not list, and with which it has not granted a request yet."""
    message, capabilities = sight.asked.message, sight.capabilities
    if message is None or capabilities is None or not capabilities.keywords or algorithms_of(message) in sight.granted:
        return None
    digest = {"sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512", "md5": "MD5"}
    word = digest.get(message.digest, message.digest)
    if not capabilities.has(word) and not (word == "SHA-256" and capabilities.standard):
        return f"the signature uses {word}, which the CA does not list in GetCACaps"
    cipher = message.envelope.cipher if message.envelope is not None else None
    names = {"des-ede3-cbc": "DES3", "des-cbc": "DES"}
    listed = cipher is None or (capabilities.standard or capabilities.has("AES") if cipher.startswith("aes") else (
        capabilities.has(names.get(cipher, cipher))))  # fmt: skip
    return None if listed else f"the envelope uses {cipher}, which the CA does not list in GetCACaps"


def _other_recipient(sight: Sight) -> str | None:
    envelope = sight.asked.message.envelope if sight.asked.message is not None else None
    if envelope is None or not envelope.recipients or not sight.trusted:
        return None
    if any(recipient.names(ca) for recipient in envelope.recipients for ca in sight.trusted):
        return None
    first = envelope.recipients[0]
    named = f"serial {first.serial:x} of {name_text(first.issuer)}" if first.key_identifier is None else "another key"
    return f"the envelope is for a certificate that GetCACert did not return ({named})"


def _clock(sight: Sight) -> str | None:
    message = sight.asked.message
    signer = message.signer() if message is not None else None
    if message is not None and message.signing_time is not None:
        off = (message.signing_time - sight.now).total_seconds()
        if abs(off) > _CLOCK_SECONDS:
            return f"the client's clock is {abs(off):.0f} s {'ahead' if off > 0 else 'behind'} (signingTime)"
    if signer is not None and not signer.not_before <= sight.now <= signer.not_after:
        return (
            f"the signer's certificate is valid from {signer.not_before:%Y-%m-%d %H:%M} to "
            f"{signer.not_after:%Y-%m-%d %H:%M}, but the time is {sight.now:%Y-%m-%d %H:%M}"
        )
    return None


def _no_challenge(sight: Sight) -> str | None:
    if sight.csr is None or sight.csr.challenge is not None:
        return None
    return "the CSR has no challengePassword"


@dataclass(frozen=True)
class RequestCause:
    """A property of a request because of which a CA may refuse it; ``fitting`` are the failInfos for it."""

    slug: str
    find: ExchangeCause
    fitting: frozenset[int]


_ALG, _CHECK, _REQUEST, _TIME, _ID = (frozenset({info}) for info in FailInfo)
REQUEST_CAUSES: Final = (
    RequestCause("signature-wrong", _found("SCEP-3.2-05", "SCEP-3-03"), _CHECK | _REQUEST),
    RequestCause("wrong-recipient", _other_recipient, _CHECK | _REQUEST | _ID | _ALG),
    RequestCause("not-listed", _unlisted, _ALG | _CHECK),
    RequestCause("clock", _clock, _TIME | _CHECK | _REQUEST),
    RequestCause("no-challenge", _no_challenge, _REQUEST | _CHECK),
    RequestCause("transaction-reused", _found("SCEP-3.2.1.1-01", "SCEP-3.2.1.1-07"), _REQUEST | _ID),
    RequestCause("nonce-reused", _found("SCEP-3.2.1.5-02"), _REQUEST | _CHECK),
    RequestCause("renewal-not-listed", _found("SCEP-3.2.1.2-06"), _REQUEST),
)
_STANDS_FOR: Final = {
    FailInfo.BAD_ALG: "an algorithm of the request is not supported",
    FailInfo.BAD_MESSAGE_CHECK: "the CA could not decrypt the request or verify its signature",
    FailInfo.BAD_REQUEST: "the CA does not grant it, often because of a wrong or missing challenge password, or a name "
    "against its policy",
    FailInfo.BAD_TIME: "the signingTime is too far from the CA's clock",
    FailInfo.BAD_CERT_ID: "the CA does not know that certificate or transaction",
}


def _reason(sight: Sight, fail_info: int | None) -> str | None:
    """What is wrong with the request, as far as it is visible; ``fail_info`` None: any cause counts."""
    for cause in REQUEST_CAUSES:
        if fail_info is None or fail_info in cause.fitting:
            text = cause.find(sight)
            if text is not None:
                return text
    return None


# --- what is wrong with an exchange -----------------------------------------------------------------------


def _faulted(sight: Sight) -> str | None:
    slugs = dict.fromkeys(change.partition(":")[0] for change in sight.changes)
    return f"The proxy's own fault {' and '.join(slugs)} changed the reply." if slugs else None


def _lost(kind: type[TransportError], begin: str) -> ExchangeCause:
    def cause(sight: Sight) -> str | None:
        error = sight.came.error
        return f"{begin}: {error.message}." if type(error) is kind else None

    return cause


def _status(sight: Sight) -> int:
    return sight.came.reply.status if sight.came.reply is not None else 0


def _is_cms(sight: Sight) -> bool:
    return sight.answer is not None and sight.answer.status is not None


def _other_path(sight: Sight) -> str | None:
    asked, wanted = sight.asked.request.target.partition("?")[0], sight.path.partition("?")[0]
    if _status(sight) not in (404, 405) or asked == wanted:
        return None
    return f"The client requests the path {asked[:_MOST]}, but the CA's URL has {wanted}: HTTP {_status(sight)}."


def _login(sight: Sight) -> str | None:
    words = {401: "requires a login", 403: "forbids it", 407: "requires a proxy login"}
    status = _status(sight)
    if status not in words or _is_cms(sight):
        return None
    return f"The server {words[status]}: HTTP {status} to {sight.asked.name}."


def _redirect(sight: Sight) -> str | None:
    status, reply = _status(sight), sight.came.reply
    if not 300 <= status < 400 or reply is None:
        return None
    return (
        f"The server redirects {sight.asked.name} to {(reply.header('Location') or 'nowhere')[:_MOST]} (HTTP {status})."
    )


def _http_error(sight: Sight) -> str | None:
    reply = sight.came.reply
    if reply is None or reply.status < 400 or _is_cms(sight):
        return None
    if sight.asked.operation == Operation.GET_CA_CAPS:
        return (
            f"The server replies to GetCACaps with HTTP {reply.status}, so the client does not know its capabilities."
        )
    said = ""
    if reply.media_type == "text/plain" and reply.body:
        said = f" ({reply.body[:_MOST].decode('utf-8', 'replace').strip()!r})"
    why = _reason(sight, None) if sight.asked.message is not None else sight.asked.problem
    return f"The CA refused {sight.asked.name} with HTTP {reply.status}{said}{f': {why}' if why else ''}."


def _page(sight: Sight) -> str | None:
    reply = sight.came.reply
    wanted = sight.asked.operation in (Operation.PKI_OPERATION, Operation.GET_CA_CERT)
    if reply is None or not wanted or reply.status != 200 or _is_cms(sight):
        return None
    if not reply.body:
        return f"The CA replied to {sight.asked.name} with HTTP 200 and an empty body."
    if reply.media_type == "text/html" or reply.body.lstrip()[:1] == b"<":
        return f"The reply to {sight.asked.name} is an HTML page: a portal, a login or an error."
    if sight.asked.operation == Operation.PKI_OPERATION and sight.answer is not None:
        shape = f": {sight.answer.problem}" if sight.answer.problem is not None else ""
        return f"The reply to {sight.asked.name} is not readable as a CertRep{shape}."
    return None


def _refused(sight: Sight) -> str | None:
    answer = sight.answer
    if answer is None or answer.status != PkiStatus.FAILURE:
        return None
    number = answer.fail_info
    info = FailInfo(number) if number in set(FailInfo) else None
    named = f"failInfo {info.label if info is not None else number}" if number is not None else "no failInfo"
    said = f" ({answer.fail_info_text[:_MOST]!r})" if answer.fail_info_text else ""
    why = _reason(sight, number) or (_STANDS_FOR[info] if info is not None else None)
    return f"The CA refused the request with {named}{said}{f': {why}' if why else ''}."


_DOUBTS: Final = {
    "recipientnonce-copied": "its recipientNonce is not the senderNonce of the request",
    "transactionid-returned": "its transactionID is not that of the request",
    "certrep-signature": "its signature does not verify with a certificate of GetCACert",
    "certrep-message-digest": "its messageDigest does not match the content",
    "envelope-to-signer": "its envelope is for another certificate than the one that signed the request",
    "certrep-signer-valid": "its signer's certificate is not valid now",
    "certrep-http-status-200": "its HTTP status is not 200",
    "certrep-media-type": f"its media type is not {PKI_MESSAGE}",
    "certrep-type": "its messageType is not CertRep",
}


def _doubtful(sight: Sight) -> str | None:
    """A reply that a client has reason to refuse, regardless of its content."""
    if not _is_cms(sight):
        return None
    for finding in sight.server_findings:
        if finding.check in _DOUBTS:
            return f"The client has reason to refuse the reply: {_DOUBTS[finding.check]}."
    return None


def _other_key(sight: Sight) -> str | None:
    """A SUCCESS whose certificate, if visible, is not for the request's key."""
    answer = sight.answer
    if answer is None or not answer.granted or sight.csr is None:
        return None
    try:
        wrong = bool(answer.payload.certificates) and answer.issued is None
    except Inconclusive:
        return None
    return "The CA's SUCCESS contains no certificate for the key of the CSR." if wrong else None


CAUSES: Final[tuple[tuple[str, ExchangeCause], ...]] = (
    ("proxy-fault", _faulted),
    ("unreachable", _lost(ConnectFailed, "The proxy could not reach the CA")),
    ("no-reply", _lost(DeadlineExceeded, "The CA got the request but sent no reply in time")),
    ("lost", _lost(ConnectionLost, "The CA got the request but closed the connection without a complete reply")),
    ("not-http", _lost(MalformedHttp, "The CA did not send an HTTP reply that the proxy can pass on")),
    ("other-path", _other_path),
    ("login", _login),
    ("redirect", _redirect),
    ("http-error", _http_error),
    ("page-instead", _page),
    ("refused", _refused),
    ("doubtful-reply", _doubtful),
    ("certificate-for-another-key", _other_key),
)
"""By slug, the possible causes for an exchange, in the order in which they are tried."""


def explain(sight: Sight) -> str | None:
    """The first cause that fits an exchange, as a sentence; None if there is no known problem."""
    return next((text for _, cause in CAUSES if (text := cause(sight)) is not None), None)


# --- the transactions of a client -------------------------------------------------------------------------

ENROLS: Final = ("PKCSReq", "RenewalReq")


@dataclass(frozen=True)
class SeenEnrolment:
    """The outcome of one transaction: granted, refused, pending or failed; ``why`` is a sentence, if known."""

    client: str
    transaction: str | None
    outcome: str
    requests: int
    polls: int
    why: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As a JSON-able object."""
        found = vars(self)
        return {key: value for key, value in found.items() if value is not None}


def enrolments(exchanges: Sequence[SeenExchange]) -> Iterator[SeenEnrolment]:
    """The transactions of a session, in the order in which they began."""
    groups: dict[tuple[str, str | None], list[SeenExchange]] = {}
    for one in exchanges:
        if one.name in (*ENROLS, "CertPoll"):
            groups.setdefault((one.client, one.transaction), []).append(one)
    for (client, transaction), own in groups.items():
        last = own[-1]
        outcomes: dict[int, str] = {
            PkiStatus.SUCCESS: "granted", PkiStatus.PENDING: "pending", PkiStatus.FAILURE: "refused",
        }  # fmt: skip
        outcome = outcomes.get(last.pki_status, "failed") if last.pki_status is not None else "failed"
        polls = sum(one.name == "CertPoll" for one in own)
        story = next((text for _, find in STORIES if (text := find(own, exchanges)) is not None), None)
        yield SeenEnrolment(client, transaction, outcome, len(own) - polls, polls, story or last.why)


EnrolmentStory = Callable[[Sequence[SeenExchange], Sequence[SeenExchange]], "str | None"]


def _never_polled(own: Sequence[SeenExchange], _: Sequence[SeenExchange]) -> str | None:
    if own[-1].pki_status != PkiStatus.PENDING or any(one.name == "CertPoll" for one in own):
        return None
    return "The CA replied PENDING, but the client never polled."


def _gave_up(own: Sequence[SeenExchange], _: Sequence[SeenExchange]) -> str | None:
    polls = sum(one.name == "CertPoll" for one in own)
    if own[-1].pki_status != PkiStatus.PENDING or not polls:
        return None
    return f"The client polled {_times(polls)} and stopped while the CA still replied PENDING."


def _broke_off(own: Sequence[SeenExchange], _: Sequence[SeenExchange]) -> str | None:
    if not own[-1].cut:
        return None
    return f"The client closed the connection before the reply arrived ({own[-1].seconds:.1f} s)."


def _never_asked(own: Sequence[SeenExchange], all_of_them: Sequence[SeenExchange]) -> str | None:
    first = own[0]
    asked = any(one.operation == Operation.GET_CA_CERT and one.number < first.number for one in all_of_them)
    if asked or own[-1].pki_status == PkiStatus.SUCCESS:
        return None
    tail = f" {own[-1].why}" if own[-1].why else ""
    return f"The client did not send GetCACert before its request, so it got the certificate elsewhere.{tail}"


STORIES: Final[tuple[tuple[str, EnrolmentStory], ...]] = (
    ("client-broke-off", _broke_off),
    ("pending-never-polled", _never_polled),
    ("gave-up-pending", _gave_up),
    ("never-asked-getcacert", _never_asked),
)
"""By slug, the possible causes for a whole transaction."""


def story_of(own: Sequence[SeenExchange]) -> str | None:
    """Why a client never requested a certificate; None if it did, or if it sent no SCEP request."""
    if any(one.operation == Operation.PKI_OPERATION for one in own):
        return None
    for operation, reason in (
        (
            Operation.GET_CA_CERT,
            "it did not accept the CA's certificate (its fingerprint, its chain), or needed nothing else",
        ),
        (Operation.GET_CA_CAPS, "it did not accept the capabilities, or needed nothing else"),
    ):
        asked = [one for one in own if one.operation == operation]
        if asked:
            worst = next((str(f) for one in asked for f in one.server_findings if f.verdict.word == "fail"), None)
            tail = asked[-1].why or (f"About the server: {worst}." if worst else None)
            return f"The client stopped after {operation.value}: {reason}.{f' {tail}' if tail else ''}"
    return None


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
