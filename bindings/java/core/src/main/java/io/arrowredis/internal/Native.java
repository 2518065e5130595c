package io.arrowredis.internal;

import io.arrowredis.ArrowRedisException;
import io.arrowredis.ErrorCode;
import java.util.Arrays;

/** Calls functions of the library by their entry in the table, and turns its errors into exceptions. */
public final class Native {
    private static final long ARRAY_RELEASE_OFFSET = 64;

    private Native() {}

    /**
     * The library, loaded when it is first needed. A failure to load it is told to every caller anew. Functions are bound
     * when they are first called: linking all of them takes a JVM a third of a second of CPU time.
     */
    private static final class Loaded {
        private static final Loaded INSTANCE = new Loaded();

        private final Backend backend;
        private final Backend.Call[] calls = new Backend.Call[CFunction.values().length];
        private final RuntimeException failure;

        private Loaded() {
            Backend loaded = null;
            RuntimeException failed = null;
            try {
                loaded = NativeLibrary.load();
            } catch (RuntimeException e) {
                failed = e;
            }
            backend = loaded;
            failure = failed;
        }

        /** Threads may bind a function twice, to the same effect: what a call consists of is final. */
        private Backend.Call call(CFunction function) {
            Backend.Call call = calls[function.ordinal()];
            if (call == null) {
                call = bind(function);
                calls[function.ordinal()] = call;
            }
            return call;
        }

        private Backend.Call bind(CFunction function) {
            try {
                return backend.bind(function);
            } catch (UnsatisfiedLinkError e) {
                ArrowRedisException error = ArrowRedisException.of(
                        ErrorCode.UNSUPPORTED,
                        "the library has no " + function.symbol()
                                + ": it is older than this binding, and both should be " + "of the same version");
                error.initCause(e);
                throw error;
            }
        }
    }

    private static Loaded loaded() {
        Loaded loaded = Loaded.INSTANCE;
        if (loaded.failure != null) {
            throw loaded.failure;
        }
        return loaded;
    }

    /** Calls a function that cannot fail. */
    public static long call(CFunction function, long... arguments) {
        return loaded().call(function).invoke(arguments);
    }

    /** Whether the library exports what the table says: the test of the table asks. */
    public static boolean exports(CFunction function) {
        return loaded().call(function) != null;
    }

    /** Calls a function that returns text, which is copied; null for NULL. */
    public static String text(CFunction function, long... arguments) {
        return textAt(call(function, arguments));
    }

    /** The text at an address; null for NULL. */
    static String textAt(long address) {
        return address == 0 ? null : loaded().backend.text(address);
    }

    /**
     * Calls a fallible function. The place for the error, its last argument, is added here.
     *
     * @throws ArrowRedisException when it fails
     */
    public static void check(CFunction function, long... arguments) {
        try (Backend.Memory place = loaded().backend.scratch(Long.BYTES)) {
            long[] all = Arrays.copyOf(arguments, arguments.length + 1);
            all[arguments.length] = place.address();
            int code = (int) call(function, all);
            if (code != ErrorCode.OK) {
                throw failure(place.getLong(0));
            }
        }
    }

    /** An error of the library as an exception; the error is freed. */
    public static ArrowRedisException failure(long error) {
        try {
            return ArrowRedisException.of(
                    ErrorCode.of((int) call(CFunction.ERROR_CODE, error)),
                    text(CFunction.ERROR_MESSAGE, error, 0),
                    call(CFunction.ERROR_RETRYABLE, error) == 1,
                    text(CFunction.ERROR_SERVER_CODE, error, 0),
                    call(CFunction.ERROR_PARTITION, error),
                    call(CFunction.ERROR_BATCH, error));
        } finally {
            call(CFunction.ERROR_FREE, error);
        }
    }

    /** Zeroed memory for any thread, as long as the object lives. */
    static Backend.Memory shared(long bytes) {
        return loaded().backend.shared(bytes);
    }

    static Backend.Memory scratchMemory(long bytes) {
        return loaded().backend.scratch(bytes);
    }

    /** Whether the {@code ArrowArray} at an address is a released one, which is how the end of a stream is told. */
    public static boolean isReleasedArray(long array) {
        return loaded().backend.longAt(array + ARRAY_RELEASE_OFFSET) == 0;
    }

    /** Releases a struct of the Arrow C interfaces by its callback at an offset, unless that was done. */
    static void release(Backend.Memory struct, long callbackOffset) {
        long callback = struct.getLong(callbackOffset);
        if (callback != 0) {
            loaded().backend.bind(callback, CFunction.Type.V, CFunction.Type.P).invoke(struct.address());
        }
    }
}
