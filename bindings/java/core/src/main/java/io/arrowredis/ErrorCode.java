package io.arrowredis;

import java.util.function.Function;

/** What kind of failure an {@link ArrowRedisException} is; programs act on this, people read the message. */
public enum ErrorCode {
    /** An argument, option, URL or name that cannot be used. */
    INVALID_ARGUMENT(1, ArrowRedisException.InvalidArgument::new),
    /** A dataset, partition, column or file that does not exist. */
    NOT_FOUND(2, ArrowRedisException.NotFound::new),
    /** A dataset that exists and was not to be replaced. */
    ALREADY_EXISTS(3, ArrowRedisException.AlreadyExists::new),
    /** Another writer was at it, or the data was replaced meanwhile; also process-wide settings made too late. */
    CONFLICT(4, ArrowRedisException.Conflict::new),
    /** Wrong credentials, or an operation that the user may not do. */
    PERMISSION_DENIED(5, ArrowRedisException.PermissionDenied::new),
    /** A server that cannot be reached or cannot serve now. */
    UNAVAILABLE(6, ArrowRedisException.Unavailable::new),
    /** Time is up. */
    TIMEOUT(7, ArrowRedisException.Timeout::new),
    /** The operation was cancelled: by its token, by an interrupt, or through its future. */
    CANCELLED(8, ArrowRedisException.Cancelled::new),
    /** Bytes that are not what they should be. */
    CORRUPT(9, ArrowRedisException.Corrupt::new),
    /** A chunk that should be there and is not. */
    CHUNK_MISSING(10, ArrowRedisException.ChunkMissing::new),
    /** No memory, disk or room in the server left. */
    RESOURCE_EXHAUSTED(11, ArrowRedisException.ResourceExhausted::new),
    /** Something that this version, this store, this JVM or Arrow cannot do. */
    UNSUPPORTED(12, ArrowRedisException.Unsupported::new),
    /** Input or output failed. */
    IO(13, ArrowRedisException.Io::new),
    /** The process was forked after the library had started its threads. */
    FORKED(14, ArrowRedisException.Forked::new),
    /** A defect of the library. */
    INTERNAL(15, ArrowRedisException.Internal::new);

    /** The number that stands for success. */
    public static final int OK = 0;

    private final int number;
    final Function<ArrowRedisException.Detail, ArrowRedisException> exception;

    ErrorCode(int number, Function<ArrowRedisException.Detail, ArrowRedisException> exception) {
        this.number = number;
        this.exception = exception;
    }

    /** {@return the number that stands for it in the C ABI; never reused} */
    public int number() {
        return number;
    }

    /**
     * The code of a number.
     *
     * @param number as the C ABI has it
     * @return the code; {@link #INTERNAL} for a number that this version does not know
     */
    public static ErrorCode of(int number) {
        for (ErrorCode code : values()) {
            if (code.number == number) {
                return code;
            }
        }
        return INTERNAL;
    }
}
