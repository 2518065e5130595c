package io.arrowredis.internal;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** The native memory of one call, by one thread: texts that go in, places for what comes out. */
public final class Scratch implements AutoCloseable {
    private final List<Backend.Memory> blocks = new ArrayList<>();

    /** A text for a pointer and length. */
    public Text text(String value) {
        byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
        if (bytes.length == 0) {
            return new Text(0, 0);
        }
        Backend.Memory memory = memory(bytes.length);
        memory.put(0, bytes);
        return new Text(memory.address(), bytes.length);
    }

    /** A place for a result: a handle, a number, or a struct of so many fields of eight bytes. */
    public Place place(int fields) {
        return new Place(memory((long) fields * Long.BYTES), fields * Long.BYTES);
    }

    private Backend.Memory memory(long bytes) {
        Backend.Memory memory = Native.scratchMemory(bytes);
        blocks.add(memory);
        return memory;
    }

    @Override
    public void close() {
        blocks.forEach(Backend.Memory::close);
    }

    /**
     * UTF-8 in native memory.
     *
     * @param address of its first byte, 0 if it has none
     * @param length in bytes
     */
    public record Text(long address, long length) {}

    /** A place for a result. Fields are read one after the other. */
    public static final class Place {
        private final Backend.Memory memory;
        private final long size;
        private long position;

        private Place(Backend.Memory memory, long size) {
            this.memory = memory;
            this.size = size;
        }

        /** Its address. */
        public long address() {
            return memory.address();
        }

        /** Its size in bytes. */
        public long size() {
            return size;
        }

        /** The first field, wherever reading has got to. */
        public long value() {
            return memory.getLong(0);
        }

        /** Four bytes at an offset. */
        public int intAt(long offset) {
            return memory.getInt(offset);
        }

        /** The next field, a number. */
        public long number() {
            position += Long.BYTES;
            return memory.getLong(position - Long.BYTES);
        }

        /** The next field, a number with a fraction. */
        public double fraction() {
            return Double.longBitsToDouble(number());
        }

        /** The next field, 0 or 1. */
        public boolean flag() {
            return number() != 0;
        }

        /** The next field, a text; null for NULL. */
        public String text() {
            return Native.textAt(number());
        }

        /** The next fields, a text of so many bytes that NUL bytes fill up. */
        public String characters(int bytes) {
            String text = Native.textAt(memory.address() + position);
            position += bytes;
            return text;
        }
    }
}
