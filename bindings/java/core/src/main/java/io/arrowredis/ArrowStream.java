package io.arrowredis;

import io.arrowredis.internal.StreamStruct;

/**
 * An {@code ArrowArrayStream} of the Arrow C stream interface, for whatever imports those by their address. Importers
 * move it; if none did, closing releases it.
 */
public final class ArrowStream implements AutoCloseable {
    private final StreamStruct struct = new StreamStruct(this);

    ArrowStream() {}

    /** {@return the address of the struct, which is valid as long as this object is alive} */
    public long address() {
        return struct.address();
    }

    /** Releases the stream, unless it was moved. Does nothing the second time. */
    @Override
    public void close() {
        struct.close();
    }
}
