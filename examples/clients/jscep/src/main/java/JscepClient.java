import java.io.ByteArrayInputStream;
import java.io.StringReader;
import java.math.BigInteger;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PublicKey;
import java.security.cert.CertStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509CRL;
import java.security.cert.X509Certificate;
import java.util.Base64;
import java.util.Date;
import java.util.Properties;
import javax.security.auth.x500.X500Principal;
import org.bouncycastle.asn1.DERPrintableString;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.pkcs.PKCS10CertificationRequestBuilder;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;
import org.jscep.client.Client;
import org.jscep.client.EnrollmentResponse;
import org.jscep.client.verification.PreProvisionedCertificateVerifier;
import org.jscep.transaction.TransactionId;

/** jscep as a client of the protocol of docs/reference/clients.md: one verb a run. */
public final class JscepClient {
  private static final Path KEY = Path.of(env("SCEP_KEY_FILE"));
  private static final Path CERTIFICATE = Path.of(env("SCEP_CERTIFICATE_FILE"));
  private static final Path NEW_KEY = Path.of("new-key.pem");
  private static final Path IDENTITY = Path.of("identity.pem");
  private static final Path TRANSACTION = Path.of("transaction");
  private static final Path FETCHED = Path.of(env("SCEP_FETCHED_FILE"));

  public static void main(String[] arguments) throws Exception {
    String verb = arguments[0];
    if (verb.equals("version")) {
      System.out.println("jscep " + version());
      return;
    }
    try {
      System.exit(run(verb));
    } catch (Exception error) {
      for (Throwable cause = error; cause != null; cause = cause.getCause()) {
        System.out.println(cause);
      }
      System.exit(1);
    }
  }

  private static String version() throws Exception {
    Properties properties = new Properties();
    properties.load(Client.class.getResourceAsStream("/META-INF/maven/com.google.code.jscep/jscep/pom.properties"));
    return properties.getProperty("version");
  }

  private static int run(String verb) throws Exception {
    X509Certificate ca = certificate(Path.of(env("SCEP_CA_FILE")));
    Client client = new Client(new URL(env("SCEP_URL")), new PreProvisionedCertificateVerifier(ca));
    X500Principal subject = new X500Principal(env("SCEP_SUBJECT"));
    switch (verb) {
      case "enrol": {
        KeyPair pair = pair(KEY);
        X509Certificate identity = selfSigned(pair, subject);
        write(IDENTITY, "CERTIFICATE", identity.getEncoded());
        return ended(client.enrol(identity, pair.getPrivate(), request(pair, subject, env("SCEP_CHALLENGE"))), pair.getPublic());
      }
      case "poll": {
        KeyPair pair = pair(KEY);
        TransactionId transaction = new TransactionId(Files.readAllBytes(TRANSACTION));
        return ended(
            client.poll(certificate(IDENTITY), pair.getPrivate(), subject, transaction), pair.getPublic());
      }
      case "renew": {
        KeyPair pair = pair(NEW_KEY);
        int code =
            ended(
                client.enrol(certificate(CERTIFICATE), pair(KEY).getPrivate(), request(pair, subject, "")),
                pair.getPublic());
        if (code == 0) {
          Files.copy(NEW_KEY, KEY, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        }
        return code;
      }
      case "get-ca":
        return fetched(client.getCaCertificate());
      case "get-next-ca":
        return fetched(client.getRolloverCertificate());
      case "get-crl": {
        X509Certificate own = certificate(CERTIFICATE);
        X509CRL crl =
            client.getRevocationList(
                own, pair(KEY).getPrivate(), own.getIssuerX500Principal(), own.getSerialNumber());
        if (crl == null) {
          System.out.println("the reply has no CRL");
          return 1;
        }
        write(FETCHED, "X509 CRL", crl.getEncoded());
        return 0;
      }
      default:
        return 127;
    }
  }

  private static int fetched(CertStore store) throws Exception {
    StringBuilder text = new StringBuilder();
    for (Certificate found : store.getCertificates(null)) {
      text.append(pem("CERTIFICATE", found.getEncoded()));
    }
    Files.writeString(FETCHED, text.toString());
    return 0;
  }

  private static int ended(EnrollmentResponse response, PublicKey key) throws Exception {
    if (response.isPending()) {
      Files.writeString(TRANSACTION, response.getTransactionId().toString());
      return 75;
    }
    if (response.isFailure()) {
      System.out.println("failInfo: " + response.getFailInfo());
      return 1;
    }
    for (Certificate found : response.getCertStore().getCertificates(null)) {
      if (found.getPublicKey().equals(key)) {
        write(CERTIFICATE, "CERTIFICATE", found.getEncoded());
        return 0;
      }
    }
    System.out.println("no certificate in the reply is for our key");
    return 1;
  }

  /** A renewal shows the certificate in place of the challenge (RFC 8894, 2.4). */
  private static PKCS10CertificationRequest request(KeyPair pair, X500Principal subject, String challenge)
      throws Exception {
    PKCS10CertificationRequestBuilder builder = new JcaPKCS10CertificationRequestBuilder(subject, pair.getPublic());
    if (!challenge.isEmpty()) {
      builder.addAttribute(PKCSObjectIdentifiers.pkcs_9_at_challengePassword, new DERPrintableString(challenge));
    }
    return builder.build(signer(pair));
  }

  private static X509Certificate selfSigned(KeyPair pair, X500Principal subject) throws Exception {
    long now = System.currentTimeMillis();
    X500Name name = X500Name.getInstance(subject.getEncoded());
    return new JcaX509CertificateConverter()
        .getCertificate(
            new JcaX509v3CertificateBuilder(
                    name, BigInteger.ONE, new Date(now - 60_000), new Date(now + 86_400_000), name, pair.getPublic())
                .addExtension(
                    Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature | KeyUsage.keyEncipherment))
                .build(signer(pair)));
  }

  private static ContentSigner signer(KeyPair pair) throws Exception {
    return new JcaContentSignerBuilder("SHA256withRSA").build(pair.getPrivate());
  }

  /** The key of a file, which is made if it is not there. */
  private static KeyPair pair(Path file) throws Exception {
    if (!Files.exists(file)) {
      KeyPairGenerator maker = KeyPairGenerator.getInstance("RSA");
      maker.initialize(2048);
      write(file, "PRIVATE KEY", maker.generateKeyPair().getPrivate().getEncoded());
    }
    PrivateKeyInfo read;
    try (PEMParser parser = new PEMParser(new StringReader(Files.readString(file)))) {
      read = (PrivateKeyInfo) parser.readObject();
    }
    java.security.interfaces.RSAPrivateCrtKey key =
        (java.security.interfaces.RSAPrivateCrtKey) new JcaPEMKeyConverter().getPrivateKey(read);
    PublicKey open =
        java.security.KeyFactory.getInstance("RSA")
            .generatePublic(
                new java.security.spec.RSAPublicKeySpec(key.getModulus(), key.getPublicExponent()));
    return new KeyPair(open, key);
  }

  private static X509Certificate certificate(Path file) throws Exception {
    return (X509Certificate)
        CertificateFactory.getInstance("X.509")
            .generateCertificate(new ByteArrayInputStream(Files.readAllBytes(file)));
  }

  private static void write(Path file, String what, byte[] der) throws Exception {
    Files.writeString(file, pem(what, der));
  }

  private static String pem(String what, byte[] der) {
    String text = Base64.getMimeEncoder(64, "\n".getBytes()).encodeToString(der);
    return "-----BEGIN " + what + "-----\n" + text + "\n-----END " + what + "-----\n";
  }

  private static String env(String name) {
    String value = System.getenv(name);
    return value == null ? "" : value;
  }
}
