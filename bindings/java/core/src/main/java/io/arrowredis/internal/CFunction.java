package io.arrowredis.internal;

import static io.arrowredis.internal.CFunction.Type.D;
import static io.arrowredis.internal.CFunction.Type.I;
import static io.arrowredis.internal.CFunction.Type.L;
import static io.arrowredis.internal.CFunction.Type.P;
import static io.arrowredis.internal.CFunction.Type.V;
import static io.arrowredis.internal.CFunction.Type.Z;

import java.util.Locale;

/** The one table of C signatures: what the library exports, its result first, as both backends bind it. */
public enum CFunction {
    VERSION(P),
    ABI_VERSION(I),
    CONFIGURE(I, P, P),
    LIVE_HANDLES(L),
    ERROR_CODE(I, P),
    ERROR_MESSAGE(P, P, P),
    ERROR_RETRYABLE(I, P),
    ERROR_SERVER_CODE(P, P, P),
    ERROR_PARTITION(L, P),
    ERROR_BATCH(L, P),
    ERROR_FREE(V, P),
    CODE_NAME(P, I),
    OPTIONS_NEW(I, I, P, P),
    OPTIONS_SET_STRING(I, P, P, Z, P, Z, P),
    OPTIONS_SET_INT64(I, P, P, Z, L, P),
    OPTIONS_SET_DOUBLE(I, P, P, Z, D, P),
    OPTIONS_SET_BOOL(I, P, P, Z, I, P),
    OPTIONS_FREE(V, P),
    OPTIONS_KIND_NAME(P, I),
    OPTIONS_COUNT(I, I, P, P),
    OPTIONS_DESCRIBE(I, I, Z, P, Z, P),
    CANCEL_TOKEN_NEW(I, P, P),
    CANCEL_TOKEN_CANCEL(V, P),
    CANCEL_TOKEN_IS_CANCELLED(I, P),
    CANCEL_TOKEN_FREE(V, P),
    CONTEXT_NEW(I, P, P),
    CONTEXT_SET_TIMEOUT(I, P, L, P),
    CONTEXT_SET_CANCEL_TOKEN(I, P, P, P),
    CONTEXT_SET_MAX_INFLIGHT_BYTES(I, P, L, P),
    CONTEXT_METRICS(I, P, P, Z, P),
    CONTEXT_FREE(V, P),
    METRICS_TEXT(I, P, P),
    TEXT_GET(P, P, P),
    TEXT_FREE(V, P),
    STORE_OPEN(I, P, Z, P, P, P),
    STORE_DESCRIPTION(P, P, P),
    STORE_SET_CREDENTIALS(I, P, P, Z, P, Z, P),
    STORE_CLOSE(I, P, P),
    STORE_FREE(V, P),
    STORE_PING(I, P, P, P, P),
    SERVER_INFO_FIELDS(I, P, P, Z, P),
    SERVER_INFO_DENIED_COMMAND(P, P, Z, P),
    SERVER_INFO_FREE(V, P),
    DATASET_OPEN(I, P, P, Z, P, P, P),
    DATASET_OPEN_WITHOUT_MANIFEST(I, P, P, Z, P, P),
    DATASET_INFO(I, P, P, Z, P),
    DATASET_SCHEMA(I, P, P, P, P),
    DATASET_PARTITION_COUNT(I, P, P, P),
    DATASET_PARTITION(I, P, Z, P, Z, P),
    DATASET_CHUNKS(I, P, P, P),
    DATASET_NODES(I, P, P, P, P),
    DATASET_FREE(V, P),
    DATASET_DELETE(I, P, P, Z, P, P, P),
    DATASET_LIST_OPEN(I, P, P, Z, P, P, P),
    DATASET_LIST_COUNT(Z, P),
    DATASET_LIST_GET(I, P, Z, P, Z, P),
    DATASET_LIST_FREE(V, P),
    DATASET_CHECK(I, P, P, P, P, P),
    COLLECT_GARBAGE(I, P, P, Z, P, P, Z, P, P),
    READ(I, P, P, P, P, P),
    READ_FILE(I, P, Z, P, P, P, P),
    READ_TO_FILE(I, P, P, Z, P, Z, P, P, P, Z, P),
    READER_SCHEMA(I, P, P, P),
    READER_NEXT(I, P, P, P, P, P),
    READER_EXPORT(I, P, P, P),
    READER_ERROR(I, P, P, P),
    READER_METRICS(I, P, P, Z, P),
    READER_CANCEL(V, P),
    READER_FREE(V, P),
    GENERATE_FILE(I, P, Z, P, P, P, Z, P),
    GENERATE(I, P, P, P, P),
    UPLOAD_FILE(I, P, Z, P, Z, P, P, P, Z, P),
    SPLIT_FILE(I, P, P, Z, P, Z, P, P, P, Z, P, Z, P),
    SPLIT_STREAM(I, P, P, Z, P, P, P, P, Z, P, Z, P),
    WRITER_OPEN(I, P, P, Z, P, P, P, P, P),
    WRITER_WRITE(I, P, P, P),
    WRITER_FINISH(I, P, P, Z, P, Z, P),
    WRITER_CANCEL(V, P),
    WRITER_FREE(V, P),
    VERIFY_DATASET(I, P, P, P, P),
    VERIFY_FILE(I, P, Z, P, P, P),
    VERIFY_STREAM(I, P, Z, P, P, P),
    VERIFY_SIDE_FREE(V, P),
    VERIFY(I, P, P, P, P, P, P),
    VERIFY_REPORT_IDENTICAL(I, P),
    VERIFY_REPORT_SIDE(I, P, Z, P, Z, P),
    VERIFY_REPORT_COLUMN_COUNT(Z, P),
    VERIFY_REPORT_COLUMN(I, P, Z, P, Z, P),
    VERIFY_REPORT_DIFFERENCE(P, P, Z, P),
    VERIFY_REPORT_NOTE(P, P, Z, P),
    VERIFY_REPORT_METRICS(I, P, P, Z, P),
    VERIFY_REPORT_FREE(V, P),
    LOG_SET_CALLBACK(I, I, P, P, P),
    LOG_SET_QUEUE(I, I, Z, P),
    LOG_NEXT(I, L, P, P),
    LOG_DROPPED(L),
    LOG_RECORD_LEVEL(I, P),
    LOG_RECORD_TARGET(P, P, P),
    LOG_RECORD_MESSAGE(P, P, P),
    LOG_RECORD_FREE(V, P);

    /** The kinds of C types that the functions take and return. */
    public enum Type {
        /** {@code int32_t}. */
        I,
        /** {@code int64_t} or {@code uint64_t}. */
        L,
        /** {@code size_t}. */
        Z,
        /** {@code double}. */
        D,
        /** Any pointer. */
        P,
        /** Nothing. */
        V
    }

    private final Type result;
    private final Type[] parameters;

    CFunction(Type result, Type... parameters) {
        this.result = result;
        this.parameters = parameters;
    }

    /** Its name in the library. */
    public String symbol() {
        return "arrowredis_" + name().toLowerCase(Locale.ROOT);
    }

    /** What it returns. */
    public Type result() {
        return result;
    }

    /** What it takes. */
    public Type[] parameters() {
        return parameters.clone();
    }
}
