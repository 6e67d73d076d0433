"""RSA key pairs for simulations, one base64 PKCS#8 a line. Everybody has them: never use one elsewhere."""
