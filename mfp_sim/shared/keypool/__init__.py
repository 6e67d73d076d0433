"""RSA key pairs for simulations, one base64 PKCS#8 per line. They are public: never use one elsewhere."""
