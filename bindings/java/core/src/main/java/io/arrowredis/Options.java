package io.arrowredis;

import io.arrowredis.internal.CFunction;
import io.arrowredis.internal.Native;
import io.arrowredis.internal.Scratch;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongFunction;

/**
 * A set of options, each of which may be set by its method or by its key. A call copies the options that it is given; an
 * unknown key or a value that does not fit makes the call fail with {@link ErrorCode#INVALID_ARGUMENT}, naming it.
 *
 * <p>Not for several threads at once.
 *
 * @param <S> the kind of options
 */
public abstract sealed class Options<S extends Options<S>>
        permits StoreOptions,
                ReadOptions,
                FileReadOptions,
                SplitOptions,
                GenerateOptions,
                VerifyOptions,
                RuntimeOptions,
                S3Options {
    private static final double NANOS_PER_SECOND = 1e9;

    private final Kind kind;
    private final Map<String, Object> values = new LinkedHashMap<>();

    Options(Kind kind) {
        this.kind = kind;
    }

    /** The kinds of options, as the C ABI numbers them. */
    public enum Kind {
        /** {@link StoreOptions}. */
        STORE,
        /** {@link ReadOptions}. */
        READ,
        /** {@link FileReadOptions}. */
        FILE_READ,
        /** {@link SplitOptions}. */
        SPLIT,
        /** {@link GenerateOptions}. */
        GENERATE,
        /** {@link VerifyOptions}. */
        VERIFY,
        /** {@link RuntimeOptions}. */
        RUNTIME,
        /** {@link S3Options}. */
        S3;

        /** {@return the number that stands for it in the C ABI} */
        public int number() {
            return ordinal() + 1;
        }

        /** {@return the library's name for it, such as {@code file_read}} */
        public String key() {
            return Native.text(CFunction.OPTIONS_KIND_NAME, number());
        }

        /** {@return the options that the library has of this kind} */
        public List<Description> describe() {
            try (Scratch scratch = new Scratch()) {
                Scratch.Place count = scratch.place(1);
                Native.check(CFunction.OPTIONS_COUNT, number(), count.address());
                List<Description> options = new ArrayList<>();
                for (long index = 0; index < count.value(); index++) {
                    Scratch.Place fields = scratch.place(Description.FIELDS);
                    Native.check(CFunction.OPTIONS_DESCRIBE, number(), index, fields.address(), fields.size());
                    options.add(new Description(fields.text(), fields.text(), fields.text(), fields.text()));
                }
                return options;
            }
        }
    }

    /**
     * An option that the library has.
     *
     * @param key its key
     * @param valueType {@code bool}, {@code integer}, {@code string}, {@code list}, {@code duration}, {@code bytes}, or
     *     the words that can be chosen, as in {@code a|b}
     * @param defaultValue its default as text; empty if unset
     * @param doc what it does
     */
    public record Description(String key, String valueType, String defaultValue, String doc) {
        private static final int FIELDS = 4;
    }

    /**
     * Sets an option from its text, as the command line takes it: {@code 4}, {@code on}, {@code 0,1,2}, {@code 200ms},
     * {@code 64MiB}.
     *
     * @param key its key
     * @param value its value
     * @return this
     */
    public S set(String key, String value) {
        return put(key, value);
    }

    S set(String key, long value) {
        return put(key, value);
    }

    S set(String key, boolean value) {
        return put(key, value);
    }

    S set(String key, Duration value) {
        return put(key, value.getSeconds() + value.getNano() / NANOS_PER_SECOND);
    }

    @SuppressWarnings("unchecked")
    private S put(String key, Object value) {
        if (value == null) {
            throw new NullPointerException("option '" + key + "'");
        }
        values.put(key, value);
        return (S) this;
    }

    /** A copy that nobody changes, for a call that goes on in another thread. */
    Frozen freeze() {
        return new Frozen(kind, new LinkedHashMap<>(values));
    }

    /** The options of a call. */
    record Frozen(Kind kind, Map<String, Object> values) {
        /** Does the work with the address of native options: 0 for all defaults. */
        <T> T use(LongFunction<T> work) {
            if (values.isEmpty()) {
                return work.apply(0);
            }
            try (Scratch scratch = new Scratch()) {
                Scratch.Place place = scratch.place(1);
                Native.check(CFunction.OPTIONS_NEW, kind.number(), place.address());
                long options = place.value();
                try {
                    values.forEach((key, value) -> set(scratch, options, scratch.text(key), value));
                    return work.apply(options);
                } finally {
                    Native.call(CFunction.OPTIONS_FREE, options);
                }
            }
        }

        private static void set(Scratch scratch, long options, Scratch.Text key, Object value) {
            if (value instanceof Long number) {
                Native.check(CFunction.OPTIONS_SET_INT64, options, key.address(), key.length(), number);
            } else if (value instanceof Double number) {
                long bits = Double.doubleToRawLongBits(number);
                Native.check(CFunction.OPTIONS_SET_DOUBLE, options, key.address(), key.length(), bits);
            } else if (value instanceof Boolean flag) {
                Native.check(CFunction.OPTIONS_SET_BOOL, options, key.address(), key.length(), flag ? 1 : 0);
            } else {
                Scratch.Text text = scratch.text((String) value);
                Native.check(
                        CFunction.OPTIONS_SET_STRING,
                        options,
                        key.address(),
                        key.length(),
                        text.address(),
                        text.length());
            }
        }
    }
}
