"""The SCEP protocol as values, without I/O: DER, CMS, certificates, CSRs, pkiMessages, HTTP (RFC 8894, RFC 5652)."""
