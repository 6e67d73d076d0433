import java.math.BigInteger;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.cert.X509CRL;
import java.security.cert.X509Certificate;
import java.security.interfaces.RSAPublicKey;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.CRLNumber;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509CRLConverter;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;
import org.bouncycastle.cert.jcajce.JcaX509v2CRLBuilder;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;
import org.jscep.server.ScepServlet;
import org.jscep.transaction.FailInfo;
import org.jscep.transaction.OperationFailureException;
import org.jscep.transaction.TransactionId;
import org.jscep.transport.response.Capability;
import org.jscep.util.CertificationRequestUtils;

/**
 * A CA around jscep's ScepServlet: JscepServer PORT SECRET-FILE.
 *
 * <p>The servlet is abstract. It reads and writes the messages; this class says what a CA has to say: it checks the
 * CSR's signature, its key and the challenge, issues, and finds certificates again. None of that is jscep's.
 */
public final class JscepServer extends ScepServlet {
    private static final X500Name NAME = new X500Name("CN=jscep CA");

    private final transient KeyPair keys;
    private final transient X509Certificate ca;
    private final String secret;
    private final transient Map<BigInteger, X509Certificate> issued = new ConcurrentHashMap<>();

    private JscepServer(String secret) throws Exception {
        this.secret = secret;
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(2048);
        keys = generator.generateKeyPair();
        JcaX509ExtensionUtils utils = new JcaX509ExtensionUtils();
        X509v3CertificateBuilder builder = builder(NAME, keys.getPublic().getEncoded(), 30);
        builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(0));
        builder.addExtension(Extension.keyUsage, true, new KeyUsage(
            KeyUsage.digitalSignature | KeyUsage.keyEncipherment | KeyUsage.keyCertSign | KeyUsage.cRLSign));
        builder.addExtension(Extension.subjectKeyIdentifier, false, utils.createSubjectKeyIdentifier(keys.getPublic()));
        ca = new JcaX509CertificateConverter().getCertificate(builder.build(signer()));
    }

    private ContentSigner signer() throws Exception {
        return new JcaContentSignerBuilder("SHA256withRSA").build(keys.getPrivate());
    }

    private static X509v3CertificateBuilder builder(X500Name subject, byte[] key, int days) {
        Instant now = Instant.now();
        return new X509v3CertificateBuilder(
            NAME,
            new BigInteger(126, new SecureRandom()).setBit(126),
            Date.from(now.minus(5, ChronoUnit.MINUTES)),
            Date.from(now.plus(days, ChronoUnit.DAYS)),
            subject,
            SubjectPublicKeyInfo.getInstance(key));
    }

    @Override
    protected List<X509Certificate> doEnrol(
            PKCS10CertificationRequest request, X509Certificate sender, TransactionId transaction) throws Exception {
        try {
            check(request, sender);
        } catch (OperationFailureException refused) {
            throw refused;
        } catch (Exception unreadable) {
            throw new OperationFailureException(FailInfo.badRequest);
        }
        JcaX509ExtensionUtils utils = new JcaX509ExtensionUtils();
        X509v3CertificateBuilder builder =
            builder(request.getSubject(), request.getSubjectPublicKeyInfo().getEncoded(), 10);
        builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(false));
        builder.addExtension(
            Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature | KeyUsage.keyEncipherment));
        builder.addExtension(Extension.extendedKeyUsage, false, new ExtendedKeyUsage(
            new KeyPurposeId[] {KeyPurposeId.id_kp_serverAuth, KeyPurposeId.id_kp_clientAuth}));
        builder.addExtension(Extension.subjectKeyIdentifier, false,
            utils.createSubjectKeyIdentifier(request.getSubjectPublicKeyInfo()));
        builder.addExtension(Extension.authorityKeyIdentifier, false, utils.createAuthorityKeyIdentifier(keys.getPublic()));
        Extension names = names(request);
        if (names != null) {
            builder.addExtension(names);
        }
        X509Certificate certificate = new JcaX509CertificateConverter().getCertificate(builder.build(signer()));
        issued.put(certificate.getSerialNumber(), certificate);
        return Collections.singletonList(certificate);
    }

    private static Extension names(PKCS10CertificationRequest request) {
        Extensions asked = request.getRequestedExtensions();
        return asked == null ? null : asked.getExtension(Extension.subjectAlternativeName);
    }

    /** Without a challenge only the holder of a certificate of this CA is served, and only for the names in it. */
    private void check(PKCS10CertificationRequest request, X509Certificate sender) throws Exception {
        if (!request.isSignatureValid(new JcaContentVerifierProviderBuilder().build(request.getSubjectPublicKeyInfo()))) {
            throw new OperationFailureException(FailInfo.badMessageCheck);
        }
        Object key = CertificationRequestUtils.getPublicKey(request);
        if (!(key instanceof RSAPublicKey) || ((RSAPublicKey) key).getModulus().bitLength() < 2048) {
            throw new OperationFailureException(FailInfo.badAlg);
        }
        String challenge = CertificationRequestUtils.getChallengePassword(request);
        boolean known = challenge != null
            && MessageDigest.isEqual(bytes(challenge), bytes(secret));
        boolean renews = challenge == null
            && sender.equals(issued.get(sender.getSerialNumber()))
            && X500Name.getInstance(sender.getSubjectX500Principal().getEncoded()).equals(request.getSubject())
            && Arrays.equals(names(sender), names(request) == null ? null : names(request).getExtnValue().getEncoded());
        if (!known && !renews) {
            throw new OperationFailureException(FailInfo.badRequest);
        }
    }

    private static byte[] names(X509Certificate certificate) {
        return certificate.getExtensionValue(Extension.subjectAlternativeName.getId());
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Those of the server in jscep's own tests. Renewal is not among them: the servlet does not know RenewalReq. */
    @Override
    protected Set<Capability> doCapabilities(String identifier) {
        return EnumSet.of(Capability.AES, Capability.TRIPLE_DES, Capability.SHA_1, Capability.SHA_256,
            Capability.SHA_512, Capability.POST_PKI_OPERATION);
    }

    @Override
    protected List<X509Certificate> doGetCaCertificate(String identifier) {
        return Collections.singletonList(ca);
    }

    @Override
    protected List<X509Certificate> getNextCaCertificate(String identifier) {
        return Collections.emptyList();
    }

    @Override
    protected List<X509Certificate> doGetCert(X500Name issuer, BigInteger serial) {
        X509Certificate found = NAME.equals(issuer) ? issued.get(serial) : null;
        return found == null ? Collections.emptyList() : Collections.singletonList(found);
    }

    /** Nothing is deferred here, so that nothing can be asked for. */
    @Override
    protected List<X509Certificate> doGetCertInitial(X500Name issuer, X500Name subject, TransactionId transaction)
            throws OperationFailureException {
        throw new OperationFailureException(FailInfo.badCertId);
    }

    @Override
    protected X509CRL doGetCrl(X500Name issuer, BigInteger serial) throws Exception {
        if (!NAME.equals(issuer)) {
            throw new OperationFailureException(FailInfo.badCertId);
        }
        Instant now = Instant.now();
        JcaX509v2CRLBuilder builder = new JcaX509v2CRLBuilder(ca.getSubjectX500Principal(), Date.from(now));
        builder.setNextUpdate(Date.from(now.plus(1, ChronoUnit.DAYS)));
        builder.addExtension(Extension.authorityKeyIdentifier, false,
            new JcaX509ExtensionUtils().createAuthorityKeyIdentifier(keys.getPublic()));
        builder.addExtension(Extension.cRLNumber, false,
            new CRLNumber(BigInteger.valueOf(now.toEpochMilli())));
        return new JcaX509CRLConverter().getCRL(builder.build(signer()));
    }

    @Override
    protected PrivateKey getRecipientKey() {
        return keys.getPrivate();
    }

    @Override
    protected X509Certificate getRecipient() {
        return ca;
    }

    @Override
    protected PrivateKey getSignerKey() {
        return keys.getPrivate();
    }

    @Override
    protected X509Certificate getSigner() {
        return ca;
    }

    @Override
    protected X509Certificate[] getSignerCertificateChain() {
        return null;
    }

    public static void main(String[] arguments) throws Exception {
        String secret = Files.readString(Path.of(arguments[1])).strip();
        Server server = new Server(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])));
        ServletContextHandler context = new ServletContextHandler();
        context.addServlet(new ServletHolder(new JscepServer(secret)), "/scep");
        server.setHandler(context);
        server.start();
        server.join();
    }
}
