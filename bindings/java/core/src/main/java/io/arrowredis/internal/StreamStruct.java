package io.arrowredis.internal;

import java.lang.ref.Cleaner;

/** The memory of an {@code ArrowArrayStream}: released, unless somebody has moved it, when its owner is done. */
public final class StreamStruct {
    private static final Cleaner CLEANER = Cleaner.create();
    private static final int BYTES = 40;
    private static final int RELEASE_OFFSET = 24;

    private final Backend.Memory memory = Native.shared(BYTES);
    private final Cleaner.Cleanable cleanable;

    /**
     * An empty struct.
     *
     * @param owner whose being forgotten releases it; nothing here refers to it
     */
    public StreamStruct(Object owner) {
        Backend.Memory struct = memory;
        cleanable = CLEANER.register(owner, () -> Native.release(struct, RELEASE_OFFSET));
    }

    /** Where it is. */
    public long address() {
        return memory.address();
    }

    /** Releases the stream unless it was moved. Does nothing the second time. */
    public void close() {
        cleanable.clean();
    }
}
