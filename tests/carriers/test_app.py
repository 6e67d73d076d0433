"""The WSGI application gives what the service decides, and says where WSGI cannot follow."""

import pytest

from mfp_sim.shared.scep.messages import read_ca_certificates
from mock_scep_server.app import DeliveryAborted, create_app


def test_any_path_is_the_cas_url(frozen_service) -> None:
    service = frozen_service()
    client = create_app(service).test_client()
    reply = client.get("/certsrv/mscep/mscep.dll?operation=GetCACert")
    assert (reply.status_code, reply.mimetype) == (200, "application/x-x509-ca-cert")
    certificates, _ = read_ca_certificates(reply.data, reply.mimetype)
    assert "Mock" in certificates[0].subject_text
    assert client.get("/?operation=GetCACaps").data.split() == [word.encode() for word in service.profile.capabilities]


def test_a_status_of_the_script_comes_through(frozen_service) -> None:
    service = frozen_service("[{then: {http: 503, retry_after: 9}}]")
    reply = create_app(service).test_client().get("/?operation=GetCACaps")
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "9")


@pytest.mark.parametrize("fault", ["reset", "stall", "{truncate: {after: 20}}"])
def test_a_broken_delivery_aborts(frozen_service, fault: str) -> None:
    service = frozen_service(f"[{{faults: [{fault}]}}]")
    with pytest.raises(DeliveryAborted):
        create_app(service).test_client().get("/?operation=GetCACaps")
