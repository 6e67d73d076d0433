"""RSA key pairs for simulations, one per line, as base64 of PKCS#8. They are public: never use them elsewhere."""
