package io.arrowredis;

import java.time.Duration;

/** How a store is connected to. What is not set has the library's default. */
public final class StoreOptions extends Options<StoreOptions> {
    /** All defaults. */
    public StoreOptions() {
        super(Kind.STORE);
    }

    /**
     * Connections at the most, per server. 0 means eight. Default: {@code 0}.
     *
     * @param value the number
     * @return this
     */
    public StoreOptions connections(long value) {
        return set("connections", value);
    }

    /**
     * Time to connect, TLS handshake and authentication included. Default: {@code 5}.
     *
     * @param value the time
     * @return this
     */
    public StoreOptions connectTimeout(Duration value) {
        return set("connect_timeout", value);
    }

    /**
     * Time for one request, from sending it to the last byte of its reply. Default: {@code 30}.
     *
     * @param value the time
     * @return this
     */
    public StoreOptions timeout(Duration value) {
        return set("timeout", value);
    }

    /**
     * Idle time after which TCP asks whether the peer is still there; 0 turns that off. Default: {@code 60}.
     *
     * @param value the time
     * @return this
     */
    public StoreOptions tcpKeepalive(Duration value) {
        return set("tcp_keepalive", value);
    }

    /**
     * The name that the server shows for our connections. Default: {@code arrowredis}.
     *
     * @param value the text
     * @return this
     */
    public StoreOptions clientName(String value) {
        return set("client_name", value);
    }

    /**
     * How often a request is repeated after a failure that can pass. Default: {@code 3}.
     *
     * @param value the number
     * @return this
     */
    public StoreOptions maxRetries(long value) {
        return set("max_retries", value);
    }

    /**
     * The first delay before a repeat; it doubles each time and is jittered over its full length. Default: {@code 0.2}.
     *
     * @param value the time
     * @return this
     */
    public StoreOptions retryBaseDelay(Duration value) {
        return set("retry_base_delay", value);
    }

    /**
     * How long requests to a Redis Cluster go on being repeated, beyond {@link #maxRetries}, while a master is lost and a
     * replica may still take its place. 0 turns that off, and so does 0 retries. Default: {@code 30}.
     *
     * @param value the time
     * @return this
     */
    public StoreOptions failoverTimeout(Duration value) {
        return set("failover_timeout", value);
    }

    /**
     * Whether the server is a Redis Cluster. Default: {@code off}.
     *
     * @param value on or off
     * @return this
     */
    public StoreOptions cluster(boolean value) {
        return set("cluster", value);
    }

    /**
     * Read chunks from the replicas of a Redis Cluster; what one lacks is read from the master. Default: {@code off}.
     *
     * @param value on or off
     * @return this
     */
    public StoreOptions readReplicas(boolean value) {
        return set("read_replicas", value);
    }

    /**
     * The user to log in as, with the password of {@code passwordFile}.
     *
     * @param value the text
     * @return this
     */
    public StoreOptions user(String value) {
        return set("user", value);
    }

    /**
     * A file that holds the password, read again for every connection.
     *
     * @param value the text
     * @return this
     */
    public StoreOptions passwordFile(String value) {
        return set("password_file", value);
    }

    /**
     * A PEM file with the certificate authorities to trust instead of the system's.
     *
     * @param value the text
     * @return this
     */
    public StoreOptions tlsCaFile(String value) {
        return set("tls_ca_file", value);
    }

    /**
     * A PEM file with the client's certificate chain.
     *
     * @param value the text
     * @return this
     */
    public StoreOptions tlsCertFile(String value) {
        return set("tls_cert_file", value);
    }

    /**
     * A PEM file with the client's private key.
     *
     * @param value the text
     * @return this
     */
    public StoreOptions tlsKeyFile(String value) {
        return set("tls_key_file", value);
    }

    /**
     * DANGEROUS: do not check the server's certificate; anybody on the way can then read and change everything. Default:
     * {@code off}.
     *
     * @param value on or off
     * @return this
     */
    public StoreOptions tlsDangerAcceptAnyCertificate(boolean value) {
        return set("tls_danger_accept_any_certificate", value);
    }
}
