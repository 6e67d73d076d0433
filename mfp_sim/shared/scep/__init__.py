"""The SCEP protocol without I/O: DER, CMS, certificates, CSRs, pkiMessages and HTTP as values (RFC 8894, RFC 5652)."""
