package io.arrowredis;

/** Settings of the whole process, made before its first operation. What is not set has the library's default. */
public final class RuntimeOptions extends Options<RuntimeOptions> {
    /** All defaults. */
    public RuntimeOptions() {
        super(Kind.RUNTIME);
    }

    /**
     * Threads that move bytes; 0 means up to four, no more than the cores that the process may use. Environment: ARROWREDIS_IO_THREADS. Default: {@code 0}.
     *
     * @param value the number
     * @return this
     */
    public RuntimeOptions ioThreads(long value) {
        return set("io_threads", value);
    }

    /**
     * Threads that encode and decode; 0 means as many as the cores that the process may use. Environment: ARROWREDIS_CPU_THREADS. Default: {@code 0}.
     *
     * @param value the number
     * @return this
     */
    public RuntimeOptions cpuThreads(long value) {
        return set("cpu_threads", value);
    }

    /**
     * The bytes that all operations together may have in flight. Environment: ARROWREDIS_MAX_INFLIGHT_BYTES. Default: {@code 268435456}.
     *
     * @param value bytes
     * @return this
     */
    public RuntimeOptions maxInflightBytes(long value) {
        return set("max_inflight_bytes", value);
    }
}
