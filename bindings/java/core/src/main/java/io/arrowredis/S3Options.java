package io.arrowredis;

import java.time.Duration;

/**
 * How S3 is reached. What is not set has the library's default. Each can also stand in the query of a URL, under its key:
 * {@code s3://bucket/key?aws_region=eu-west-1}.
 */
public final class S3Options extends Options<S3Options> {
    /** All defaults. */
    public S3Options() {
        super(Kind.S3);
    }

    /**
     * The address of a server that is not that of AWS, such as http://localhost:9000. Unless given: the environment's
     * AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, or the profile.
     *
     * @param value the text
     * @return this
     */
    public S3Options endpointUrl(String value) {
        return set("endpoint_url", value);
    }

    /**
     * The bucket's region. Unless given: the environment's AWS_REGION, the profile's, or us-east-1.
     *
     * @param value the text
     * @return this
     */
    public S3Options awsRegion(String value) {
        return set("aws_region", value);
    }

    /**
     * The id of the access key. Unless given: AWS's usual chain of environment, profile, container and instance.
     *
     * @param value the text
     * @return this
     */
    public S3Options awsAccessKey(String value) {
        return set("aws_access_key", value);
    }

    /**
     * The secret access key that belongs to it.
     *
     * @param value the text
     * @return this
     */
    public S3Options awsSecretKey(String value) {
        return set("aws_secret_key", value);
    }

    /**
     * The session token of temporary keys.
     *
     * @param value the text
     * @return this
     */
    public S3Options awsSessionToken(String value) {
        return set("aws_session_token", value);
    }

    /**
     * Whether the bucket stands in the path rather than in the host's name; auto: where an endpoint is given.
     * Default: {@code auto}.
     *
     * @param value {@code auto}, {@code on} or {@code off}
     * @return this
     */
    public S3Options pathStyle(String value) {
        return set("path_style", value);
    }

    /**
     * Bytes of one request at the most: longer reads are split, uploads are made of parts of this size (5 MiB or
     * more). Default: {@code 8388608}.
     *
     * @param value bytes
     * @return this
     */
    public S3Options partBytes(long value) {
        return set("part_bytes", value);
    }

    /**
     * Requests in flight at the most; 0 means 16, fewer where whole parts are read from a near server. Default: {@code 0}.
     *
     * @param value the number
     * @return this
     */
    public S3Options concurrency(long value) {
        return set("concurrency", value);
    }

    /**
     * Time to connect, TLS handshake included. Default: {@code 5}.
     *
     * @param value the time
     * @return this
     */
    public S3Options connectTimeout(Duration value) {
        return set("connect_timeout", value);
    }

    /**
     * Time for one request, from sending it to the last byte of its reply. Default: {@code 30}.
     *
     * @param value the time
     * @return this
     */
    public S3Options timeout(Duration value) {
        return set("timeout", value);
    }

    /**
     * How often a request is repeated after a failure that can pass. Default: {@code 3}.
     *
     * @param value the number
     * @return this
     */
    public S3Options maxRetries(long value) {
        return set("max_retries", value);
    }

    /**
     * The first delay before a repeat; it doubles each time and is jittered over its full length. Default: {@code
     * 0.2}.
     *
     * @param value the time
     * @return this
     */
    public S3Options retryBaseDelay(Duration value) {
        return set("retry_base_delay", value);
    }

    /**
     * A PEM file with the certificate authorities to trust instead of the system's.
     *
     * @param value the text
     * @return this
     */
    public S3Options tlsCaFile(String value) {
        return set("tls_ca_file", value);
    }
}
