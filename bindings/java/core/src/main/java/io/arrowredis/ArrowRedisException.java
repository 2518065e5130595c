package io.arrowredis;

import java.util.Optional;
import java.util.OptionalLong;

/**
 * What went wrong. Each {@link ErrorCode} has a subclass here, so that a program catches what it can act on:
 *
 * {@snippet :
 * try (Dataset dataset = store.dataset("demo:v1")) {
 *     read(dataset);
 * } catch (ArrowRedisException.NotFound e) {
 *     publish(store);
 * } catch (ArrowRedisException e) {
 *     retryLater(e.isRetryable(), e.getMessage());
 * }
 * }
 *
 * <p>The message says what failed, on what, and what to do about it; no credential is in it.
 */
public class ArrowRedisException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** What kind of failure it is. */
    private final ErrorCode code;
    /** Whether the same call may succeed later. */
    private final boolean retryable;
    /** The server's own word; null if there is none. */
    private final String serverCode;
    /** The partition, or -1. */
    private final long partition;
    /** The batch, or -1. */
    private final long batch;

    /** What an exception tells; partition and batch are -1 where they do not apply. */
    record Detail(ErrorCode code, String message, boolean retryable, String serverCode, long partition, long batch) {}

    private ArrowRedisException(Detail detail) {
        super(detail.message);
        code = detail.code;
        retryable = detail.retryable;
        serverCode = detail.serverCode;
        partition = detail.partition;
        batch = detail.batch;
    }

    /**
     * An exception of a code, of its subclass.
     *
     * @param code what kind of failure
     * @param message what failed, on what, and what to do
     * @return the exception
     */
    public static ArrowRedisException of(ErrorCode code, String message) {
        return of(code, message, false, null, -1, -1);
    }

    /**
     * An exception with all that an error of the library tells.
     *
     * @param code what kind of failure
     * @param message what failed, on what, and what to do
     * @param retryable whether the same call may succeed later
     * @param serverCode the first word of the server's error, or null
     * @param partition the partition that it is about, or -1
     * @param batch the batch that it is about, or -1
     * @return the exception
     */
    public static ArrowRedisException of(
            ErrorCode code, String message, boolean retryable, String serverCode, long partition, long batch) {
        return code.exception.apply(new Detail(code, message, retryable, serverCode, partition, batch));
    }

    /** {@return what kind of failure it is} */
    public ErrorCode code() {
        return code;
    }

    /** {@return whether the same call may succeed later without any change} */
    public boolean isRetryable() {
        return retryable;
    }

    /** {@return the first word of the server's own error reply, such as {@code WRONGPASS}} */
    public Optional<String> serverCode() {
        return Optional.ofNullable(serverCode);
    }

    /** {@return the partition that it is about} */
    public OptionalLong partition() {
        return partition < 0 ? OptionalLong.empty() : OptionalLong.of(partition);
    }

    /** {@return the batch within the partition that it is about} */
    public OptionalLong batch() {
        return batch < 0 ? OptionalLong.empty() : OptionalLong.of(batch);
    }

    /** {@link ErrorCode#INVALID_ARGUMENT}. */
    public static final class InvalidArgument extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        InvalidArgument(Detail detail) {
            super(detail);
        }
    }

    /** {@link ErrorCode#NOT_FOUND}. */
    public static final class NotFound extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        NotFound(Detail detail) {
            super(detail);
        }
    }

    /** {@link ErrorCode#ALREADY_EXISTS}. */
    public static final class AlreadyExists extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        AlreadyExists(Detail detail) {
            super(detail);
        }
    }

    /** {@link ErrorCode#CONFLICT}. */
    public static final class Conflict extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        Conflict(Detail detail) {
            super(detail);
        }
    }

    /** {@link ErrorCode#PERMISSION_DENIED}. */
    public static final class PermissionDenied extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        PermissionDenied(Detail detail) {
            super(detail);
        }
    }

    /** {@link ErrorCode#UNAVAILABLE}. */
    public static final class Unavailable extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        Unavailable(Detail detail) {
            super(detail);
        }
    }

    /** {@link ErrorCode#TIMEOUT}. */
    public static final class Timeout extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        Timeout(Detail detail) {
            super(detail);
        }
    }

    /** {@link ErrorCode#CANCELLED}. */
    public static final class Cancelled extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        Cancelled(Detail detail) {
            super(detail);
        }
    }

    /** {@link ErrorCode#CORRUPT}. */
    public static final class Corrupt extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        Corrupt(Detail detail) {
            super(detail);
        }
    }

    /** {@link ErrorCode#CHUNK_MISSING}. */
    public static final class ChunkMissing extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        ChunkMissing(Detail detail) {
            super(detail);
        }
    }

    /** {@link ErrorCode#RESOURCE_EXHAUSTED}. */
    public static final class ResourceExhausted extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        ResourceExhausted(Detail detail) {
            super(detail);
        }
    }

    /** {@link ErrorCode#UNSUPPORTED}. */
    public static final class Unsupported extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        Unsupported(Detail detail) {
            super(detail);
        }
    }

    /** {@link ErrorCode#IO}. */
    public static final class Io extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        Io(Detail detail) {
            super(detail);
        }
    }

    /** {@link ErrorCode#FORKED}. */
    public static final class Forked extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        Forked(Detail detail) {
            super(detail);
        }
    }

    /** {@link ErrorCode#INTERNAL}. */
    public static final class Internal extends ArrowRedisException {
        private static final long serialVersionUID = 1L;

        Internal(Detail detail) {
            super(detail);
        }
    }
}
