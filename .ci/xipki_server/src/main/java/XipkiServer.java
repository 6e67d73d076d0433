import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.math.BigInteger;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.security.Security;
import java.security.interfaces.RSAPublicKey;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Base64;
import java.util.Date;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.cms.IssuerAndSerialNumber;
import org.bouncycastle.asn1.pkcs.CertificationRequest;
import org.bouncycastle.asn1.pkcs.CertificationRequestInfo;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.CRLNumber;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.X509v2CRLBuilder;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;
import org.bouncycastle.cms.CMSAbsentContent;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.xipki.scep.message.CaCaps;
import org.xipki.scep.message.DecodedPkiMessage;
import org.xipki.scep.message.PkiMessage;
import org.xipki.scep.transaction.CaCapability;
import org.xipki.scep.transaction.FailInfo;
import org.xipki.scep.transaction.MessageType;
import org.xipki.scep.transaction.Nonce;
import org.xipki.scep.transaction.PkiStatus;
import org.xipki.scep.util.ScepConstants;
import org.xipki.security.HashAlgo;
import org.xipki.security.SignAlgo;
import org.xipki.security.X509Cert;
import org.xipki.security.util.X509Util;

/**
 * A CA around XiPKI's scep-core: XipkiServer PORT SECRET-FILE.
 *
 * <p>The library reads, verifies, opens and writes the messages, and writes the list of capabilities. This class is the
 * rest, in the order of XiPKI's own responder: HTTP, who gets a certificate, what is in it, and what was issued before.
 */
public final class XipkiServer {
    private static final X500Name NAME = new X500Name("CN=XiPKI CA");
    private static final int LONGEST = 1 << 20;
    private static final CaCaps CAPABILITIES = new CaCaps(Set.of(
        CaCapability.AES, CaCapability.DES3, CaCapability.POSTPKIOperation, CaCapability.Renewal, CaCapability.SCEPStandard,
        CaCapability.SHA1, CaCapability.SHA256, CaCapability.SHA512));
    private static final Set<HashAlgo> DIGESTS = Set.of(HashAlgo.SHA1, HashAlgo.SHA256, HashAlgo.SHA512);
    private static final Set<ASN1ObjectIdentifier> CIPHERS = Set.of(CMSAlgorithm.DES_EDE3_CBC, CMSAlgorithm.AES128_CBC);

    private final KeyPair keys;
    private final X509Cert ca;
    private final String secret;
    private final Map<BigInteger, X509CertificateHolder> issued = new HashMap<>();
    private final Map<String, Transaction> transactions = new HashMap<>();

    /** What was asked for under a transactionID, and what was issued. */
    private static final class Transaction {
        final byte[] request;
        final SubjectPublicKeyInfo signer;
        final X509CertificateHolder certificate;

        Transaction(byte[] request, SubjectPublicKeyInfo signer, X509CertificateHolder certificate) {
            this.request = request;
            this.signer = signer;
            this.certificate = certificate;
        }
    }

    private static final class Refusal extends Exception {
        private static final long serialVersionUID = 1;
        final FailInfo why;

        Refusal(FailInfo why) {
            super(why.name());
            this.why = why;
        }
    }

    private XipkiServer(String secret) throws Exception {
        this.secret = secret;
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(2048);
        keys = generator.generateKeyPair();
        X509v3CertificateBuilder builder =
            builder(NAME, SubjectPublicKeyInfo.getInstance(keys.getPublic().getEncoded()), 30);
        builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(0));
        builder.addExtension(Extension.keyUsage, true, new KeyUsage(
            KeyUsage.digitalSignature | KeyUsage.keyEncipherment | KeyUsage.keyCertSign | KeyUsage.cRLSign));
        ca = new X509Cert(builder.build(signer()));
    }

    private ContentSigner signer() throws Exception {
        return new JcaContentSignerBuilder("SHA256withRSA").build(keys.getPrivate());
    }

    private X509v3CertificateBuilder builder(X500Name subject, SubjectPublicKeyInfo key, int days) throws Exception {
        Instant now = Instant.now();
        JcaX509ExtensionUtils utils = new JcaX509ExtensionUtils();
        X509v3CertificateBuilder builder = new X509v3CertificateBuilder(
            NAME,
            new BigInteger(126, new SecureRandom()).setBit(126),
            Date.from(now.minus(5, ChronoUnit.MINUTES)),
            Date.from(now.plus(days, ChronoUnit.DAYS)),
            subject,
            key);
        builder.addExtension(Extension.subjectKeyIdentifier, false, utils.createSubjectKeyIdentifier(key));
        builder.addExtension(
            Extension.authorityKeyIdentifier, false, utils.createAuthorityKeyIdentifier(keys.getPublic()));
        return builder;
    }

    // --- messages ---------------------------------------------------------------------------------------------

    /** The reply to a message that the library can read; what it cannot read raises what it raises. */
    private synchronized byte[] reply(byte[] octets) throws Exception {
        DecodedPkiMessage request = DecodedPkiMessage.decode(new CMSSignedData(octets), keys.getPrivate(), ca, null);
        PkiMessage reply = new PkiMessage(request.getTransactionId(), MessageType.CertRep, Nonce.randomNonce());
        reply.setRecipientNonce(request.getSenderNonce());
        try {
            reply.setMessageData(answer(request));
            reply.setPkiStatus(PkiStatus.SUCCESS);
        } catch (Refusal refusal) {
            reply.setPkiStatus(PkiStatus.FAILURE);
            reply.setFailInfo(refusal.why);
        }
        HashAlgo digest = DIGESTS.contains(request.getDigestAlgorithm()) ? request.getDigestAlgorithm() : HashAlgo.SHA256;
        return reply.encode(
            keys.getPrivate(), SignAlgo.getInstance(digest.getJceName() + "withRSA"), ca, new X509Cert[] {ca},
            request.getSignatureCert(), request.getContentEncryptionAlgorithm()).getEncoded();
    }

    private ASN1Encodable answer(DecodedPkiMessage request) throws Exception {
        if (request.getFailureMessage() != null) {
            throw new Refusal(FailInfo.badRequest);
        }
        if (!Boolean.TRUE.equals(request.isSignatureValid())
                || Boolean.FALSE.equals(request.isDecryptionSuccessful())) {
            throw new Refusal(FailInfo.badMessageCheck);
        }
        if (!DIGESTS.contains(request.getDigestAlgorithm())
                || !CIPHERS.contains(request.getContentEncryptionAlgorithm())) {
            throw new Refusal(FailInfo.badAlg);
        }
        switch (request.getMessageType()) {
            case PKCSReq:
            case RenewalReq:
                return holding(enrolled(request));
            case CertPoll:
                return holding(polled(request));
            case GetCert:
                return holding(found(IssuerAndSerialNumber.getInstance(request.getMessageData())));
            case GetCRL:
                return list(IssuerAndSerialNumber.getInstance(request.getMessageData()));
            default:
                throw new Refusal(FailInfo.badRequest);
        }
    }

    private static ASN1Encodable holding(X509CertificateHolder certificate) throws Exception {
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        generator.addCertificate(certificate);
        return generator.generate(new CMSAbsentContent()).toASN1Structure();
    }

    private X509CertificateHolder enrolled(DecodedPkiMessage message) throws Exception {
        PKCS10CertificationRequest request;
        try {
            request = new PKCS10CertificationRequest(CertificationRequest.getInstance(message.getMessageData()));
        } catch (RuntimeException unreadable) {
            throw new Refusal(FailInfo.badRequest);
        }
        String identifier = message.getTransactionId().getId();
        Transaction known = transactions.get(identifier);
        if (known != null && Arrays.equals(known.request, request.getEncoded())) {
            return of(known, message);
        }
        if (known != null) {
            throw new Refusal(FailInfo.badRequest);
        }
        check(request, message);
        X509v3CertificateBuilder builder = builder(request.getSubject(), request.getSubjectPublicKeyInfo(), 10);
        builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(false));
        builder.addExtension(
            Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature | KeyUsage.keyEncipherment));
        builder.addExtension(Extension.extendedKeyUsage, false, new ExtendedKeyUsage(
            new KeyPurposeId[] {KeyPurposeId.id_kp_serverAuth, KeyPurposeId.id_kp_clientAuth}));
        Extension names = names(request);
        if (names != null) {
            builder.addExtension(names);
        }
        X509CertificateHolder certificate = builder.build(signer());
        issued.put(certificate.getSerialNumber(), certificate);
        transactions.put(identifier, new Transaction(
            request.getEncoded(), message.getSignatureCert().getSubjectPublicKeyInfo(), certificate));
        return certificate;
    }

    /** Knowing a transactionID is not enough: the key that asks has to be the one that asked. */
    private static X509CertificateHolder of(Transaction known, DecodedPkiMessage message) throws Refusal {
        if (!known.signer.equals(message.getSignatureCert().getSubjectPublicKeyInfo())) {
            throw new Refusal(FailInfo.badRequest);
        }
        return known.certificate;
    }

    /** Without a challenge, and for a RenewalReq in any case, the signer has to hold a certificate for these names. */
    private void check(PKCS10CertificationRequest request, DecodedPkiMessage message) throws Exception {
        SubjectPublicKeyInfo key = request.getSubjectPublicKeyInfo();
        if (!request.isSignatureValid(new JcaContentVerifierProviderBuilder().build(key))) {
            throw new Refusal(FailInfo.badMessageCheck);
        }
        Object known = BouncyCastleProvider.getPublicKey(key);
        if (!(known instanceof RSAPublicKey) || ((RSAPublicKey) known).getModulus().bitLength() < 2048) {
            throw new Refusal(FailInfo.badAlg);
        }
        CertificationRequestInfo info = request.toASN1Structure().getCertificationRequestInfo();
        String challenge = X509Util.getChallengePassword(info);
        boolean renews = challenge == null || message.getMessageType() == MessageType.RenewalReq;
        boolean knows = challenge != null && MessageDigest.isEqual(bytes(challenge), bytes(secret));
        if (!(challenge == null || knows) || (renews && !holds(message.getSignatureCert(), request))) {
            throw new Refusal(FailInfo.badRequest);
        }
    }

    private boolean holds(X509Cert signer, PKCS10CertificationRequest request) throws Exception {
        X509CertificateHolder own = issued.get(signer.getSerialNumber());
        return own != null
            && Arrays.equals(own.getEncoded(), signer.getEncoded())
            && own.isValidOn(new Date())
            && own.getSubject().equals(request.getSubject())
            && Arrays.equals(octets(own.getExtension(Extension.subjectAlternativeName)), octets(names(request)));
    }

    private static Extension names(PKCS10CertificationRequest request) {
        Extensions asked = request.getRequestedExtensions();
        return asked == null ? null : asked.getExtension(Extension.subjectAlternativeName);
    }

    private static byte[] octets(Extension extension) throws IOException {
        return extension == null ? null : extension.getExtnValue().getEncoded();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private X509CertificateHolder polled(DecodedPkiMessage message) throws Refusal {
        Transaction known = transactions.get(message.getTransactionId().getId());
        if (known == null) {
            throw new Refusal(FailInfo.badCertId);
        }
        return of(known, message);
    }

    private X509CertificateHolder found(IssuerAndSerialNumber wanted) throws Refusal {
        X509CertificateHolder certificate = issued.get(wanted.getSerialNumber().getValue());
        if (certificate == null || !NAME.equals(wanted.getName())) {
            throw new Refusal(FailInfo.badCertId);
        }
        return certificate;
    }

    private ASN1Encodable list(IssuerAndSerialNumber about) throws Exception {
        if (!NAME.equals(about.getName())) {
            throw new Refusal(FailInfo.badCertId);
        }
        Instant now = Instant.now();
        X509v2CRLBuilder builder = new X509v2CRLBuilder(NAME, Date.from(now));
        builder.setNextUpdate(Date.from(now.plus(1, ChronoUnit.DAYS)));
        builder.addExtension(Extension.authorityKeyIdentifier, false,
            new JcaX509ExtensionUtils().createAuthorityKeyIdentifier(keys.getPublic()));
        builder.addExtension(Extension.cRLNumber, false, new CRLNumber(BigInteger.valueOf(now.toEpochMilli())));
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        generator.addCRL(builder.build(signer()));
        return generator.generate(new CMSAbsentContent()).toASN1Structure();
    }

    // --- HTTP -------------------------------------------------------------------------------------------------

    private void serve(HttpExchange exchange) throws IOException {
        try {
            Map<String, String> query = query(exchange.getRequestURI().getRawQuery());
            String operation = query.getOrDefault("operation", "");
            if (operation.equals("GetCACaps")) {
                send(exchange, ScepConstants.CT_TEXT_PLAIN, CAPABILITIES.getBytes());
            } else if (operation.equals("GetCACert")) {
                send(exchange, ScepConstants.CT_X509_CA_CERT, ca.getEncoded());
            } else if (operation.equals("PKIOperation")) {
                byte[] message = exchange.getRequestMethod().equals("POST")
                    ? exchange.getRequestBody().readNBytes(LONGEST)
                    : Base64.getMimeDecoder().decode(query.getOrDefault("message", "").replace(' ', '+'));
                send(exchange, ScepConstants.CT_PKI_MESSAGE, reply(message));
            } else {
                exchange.sendResponseHeaders(400, -1);
            }
        } catch (Exception | StackOverflowError unreadable) {
            System.err.println(unreadable);
            exchange.sendResponseHeaders(400, -1);
        } finally {
            exchange.close();
        }
    }

    private static Map<String, String> query(String text) {
        Map<String, String> found = new HashMap<>();
        for (String part : (text == null ? "" : text).split("&")) {
            String[] pair = part.split("=", 2);
            found.putIfAbsent(pair[0], pair.length < 2 ? "" : URLDecoder.decode(pair[1], StandardCharsets.UTF_8));
        }
        return found;
    }

    private static void send(HttpExchange exchange, String type, byte[] body) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", type);
        exchange.sendResponseHeaders(200, body.length);
        exchange.getResponseBody().write(body);
    }

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        XipkiServer server = new XipkiServer(Files.readString(Path.of(arguments[1])).strip());
        HttpServer http = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])), 0);
        http.setExecutor(Executors.newFixedThreadPool(8));
        http.createContext("/scep", server::serve);
        http.start();
    }
}
