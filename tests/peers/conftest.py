"""Real SCEP programs: where they are, how their servers are started, and the mock behind a socket for their clients."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from clients import CHALLENGE, OPENSSL_PLUGIN, Certmonger, Client, Pki, Scepclient
from table import MICROMDM, STRONGSWAN, Ca

from mfp_sim.shared.scep.http_messages import Delivery, HttpRequest, read_scep_query
from mfp_sim.shared.simtime import SystemClock
from mfp_sim.testing import Bench, script_of
from mock_scep_server.faults import Fault
from mock_scep_server.faults.chosen import Chosen
from mock_scep_server.journal import JournalEntry
from mock_scep_server.profiles.registry import profile_named
from mock_scep_server.script import Condition, Rule
from mock_scep_server.server import ServerHost
from mock_scep_server.service import ScepService
from mock_scep_server.setup import CaSetup


def program(name: str, package: str) -> str:
    """The program's path; missing, the test is skipped, or fails where CI=true."""
    found = shutil.which(name)
    if found is None:
        _missing(name, package)
    return found


def _there(file: Path, package: str) -> None:
    """As :func:`program`, of a file."""
    if not file.exists():
        _missing(file.name, package)


def _missing(name: str, package: str) -> NoReturn:
    reason = f"{name} is not installed (Debian package {package})"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def own_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """OpenSSL, in the programs that use it, reads no configuration of the machine."""
    empty = tmp_path_factory.mktemp("openssl") / "openssl.cnf"
    empty.write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENSSL_CONF", str(empty))
        yield


@pytest.fixture
def find_program() -> Callable[[str, str], str]:
    """Finds a peer's program."""
    return program


@pytest.fixture
def openssl() -> Callable[..., str]:
    """Runs openssl and returns what it prints; a failure of it is one of the test."""
    path = program("openssl", "openssl")

    def run(*arguments: str, stdin: bytes | None = None) -> str:
        done = subprocess.run([path, *arguments], input=stdin, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
        return done.stdout.decode(errors="replace")

    return run


@dataclass(frozen=True)
class MicromdmServer:
    """A running ``scepserver``."""

    url: str
    challenge: str
    ca_file: Path


@pytest.fixture
def micromdm_server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MicromdmServer]:
    """micromdm's server on a free port, with a new CA; a parameter holds other options than ``-debug``."""
    options = getattr(request, "param", ("-debug",))
    path = program("scepserver", "scep")
    depot = tmp_path / "depot"
    made = subprocess.run(
        [path, "ca", "-init", "-depot", str(depot), "-keySize", "2048"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    port = _free_port()
    words = [path, "-depot", str(depot), "-port", str(port), "-challenge", CHALLENGE, "-allowrenew", "0", *options]
    with _running(words, port, tmp_path / "scepserver.log"):
        yield MicromdmServer(f"http://127.0.0.1:{port}/scep", CHALLENGE, depot / "ca.pem")


@pytest.fixture
def xipki_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The CA of ``.ci/xipki_server`` around XiPKI's library, built by Maven: its URL, and the file with its challenge."""
    maven, java = program("mvn", "maven"), program("java", "default-jdk-headless")
    place = tmp_path / "xipki_server"
    shutil.copytree(Path(__file__).parents[2] / ".ci" / "xipki_server", place)
    built = subprocess.run(
        [maven, "-q", "-B", "package", "dependency:copy-dependencies"],
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=400,
    )  # fmt: skip
    assert built.returncode == 0, f"Maven could not build it: {built.stdout}"
    secret, port = tmp_path / "secret", _free_port()
    secret.write_text(f"{CHALLENGE}\n", "utf-8")
    found = f"{place}/target/xipki-server-1.jar{os.pathsep}{place}/target/dependency/*"
    with _running([java, "-cp", found, "XipkiServer", str(port), str(secret)], port, tmp_path / "xipki.log"):
        yield f"http://127.0.0.1:{port}/scep", secret


@contextmanager
def _running(words: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """A server that opens a port, from its start to its end."""
    with log.open("wb") as written, subprocess.Popen(words, stdout=written, stderr=written) as server:
        try:
            _wait_for(port, server, log)
            yield
        finally:
            server.terminate()
            server.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """A server of another project says in no other way that it is ready."""
    pause = threading.Event()
    for _ in range(400):
        assert server.poll() is None, log.read_text(errors="replace")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        pause.wait(0.05)
    pytest.fail(f"the server did not open its port: {log.read_text(errors='replace')}")


@dataclass(frozen=True)
class Mock:
    """The mock behind a socket; ``received`` are its requests as they came, ``sent`` the bytes of its replies."""

    url: str
    service: ScepService
    ca_file: Path
    received: list[HttpRequest]
    sent: list[bytes]

    @property
    def asked(self) -> list[str]:
        """What came, in order: operations and message types."""
        return [entry.name for entry in self.service.journal.entries]

    @property
    def decisions(self) -> list[str]:
        """What was decided about each."""
        return [entry.decision for entry in self.service.journal.entries]

    @property
    def messages(self) -> list[JournalEntry]:
        """The PKIOperations of the journal."""
        return [entry for entry in self.service.journal.entries if not entry.name.startswith("GetCA")]

    @property
    def bodies(self) -> list[bytes]:
        """The messages as they came, by POST or by GET."""
        queries = [read_scep_query(request) for request in self.received]
        return [query.message or b"" for query in queries if query.operation == "PKIOperation"]


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[Callable[..., Mock]]:
    """Starts a mock with real keys and real chance: ``mock(ca, rules)``; ``faults`` are of every PKIOperation."""
    hosts: list[ServerHost] = []

    def start(ca: Ca, rules: str = "[]", faults: Sequence[Fault] = ()) -> Mock:
        parsed = list(script_of(rules))
        if faults:
            named = tuple(Chosen(type(fault).__name__, fault) for fault in faults)
            parsed.append(Rule(Condition(operation="PKIOperation"), None, named))
        profile = replace(profile_named(ca.profile), **dict(ca.values))
        setup = CaSetup(shape=profile, caps=ca.caps, empty_content=ca.empty_content, script=tuple(parsed), ra=ca.ra)
        service = Bench(setup, challenge=CHALLENGE, clock=SystemClock(), seed=None).ca
        received: list[HttpRequest] = []
        sent: list[bytes] = []
        handle = service.handle

        def handled(request: HttpRequest, client: str) -> Delivery:
            received.append(request)
            delivery = handle(request, client)
            sent.append(delivery.octets)
            return delivery

        service.handle = handled  # type: ignore[method-assign]
        host = ServerHost(service)
        host.start()
        hosts.append(host)
        file = tmp_path / f"mock-ca-{len(hosts)}.pem"
        text = base64.encodebytes(service.authority.issuer.certificate.der).decode()
        file.write_text(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")
        return Mock(f"{host.url}/scep", service, file, received, sent)

    yield start
    for host in hosts:
        host.stop()


@pytest.fixture
def verified(openssl) -> Callable[[Mock, Path], str]:
    """Lets openssl verify a certificate against the mock's CA; its subject."""

    def verify(server: Mock, certificate: Path) -> str:
        openssl("verify", "-x509_strict", "-CAfile", str(server.ca_file), str(certificate))
        return openssl("x509", "-in", str(certificate), "-noout", "-subject").strip()

    return verify


@pytest.fixture
def read_by_openssl(openssl, tmp_path: Path) -> Callable[..., str]:
    """Lets openssl read the mock's last reply to the bottom; the names in its certificates. With ``legacy`` it takes single DES."""

    def read(server: Mock, key: Path, *, legacy: bool = True) -> str:
        reply, envelope, inside = (str(tmp_path / name) for name in ("reply.der", "envelope.der", "inside.der"))
        Path(reply).write_bytes(server.sent[-1].partition(b"\r\n\r\n")[2])
        openssl("cms", "-verify", "-noverify", "-binary", "-inform", "DER", "-in", reply, "-out", envelope)
        more = ("-provider", "default", "-provider", "legacy") if legacy else ()
        openssl("cms", "-decrypt", *more, "-inform", "DER", "-in", envelope, "-inkey", str(key), "-out", inside)
        return openssl("pkcs7", "-inform", "DER", "-in", inside, "-print_certs", "-noout")

    return read


@pytest.fixture(scope="session")
def client_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key for strongSwan, which makes none by itself, and for certmonger; one for all their tests."""
    path = tmp_path_factory.mktemp("key") / "key.pem"
    made = subprocess.run(
        [program("openssl", "openssl"), "genrsa", "-out", str(path), "2048"],
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return path


@pytest.fixture
def client(tmp_path: Path, client_key: Path) -> Callable[[str], Client]:
    """A client of the table by its name, in a folder of its own."""

    def found(peer: str, *, openssl: bool = False) -> Client:
        if peer == MICROMDM:
            return Scepclient(program("scepclient", "scep"), tmp_path)
        if peer == STRONGSWAN:
            if openssl:
                _there(OPENSSL_PLUGIN, "libstrongswan-standard-plugins")
            return Pki(program("pki", "strongswan-pki"), tmp_path, client_key, openssl)
        program("getcert", "certmonger")
        return Certmonger(program("dbus-run-session", "dbus"), tmp_path, client_key)

    return found
