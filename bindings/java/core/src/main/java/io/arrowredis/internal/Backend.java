package io.arrowredis.internal;

/**
 * How native code is called and its memory read: by the Foreign Function and Memory API on JDK 22 and newer, by JNA
 * before. Addresses, sizes and integers of every width are passed as {@code long}, a double as its bits.
 */
interface Backend {
    /** A function of the library. */
    Call bind(CFunction function);

    /** A function by its address. */
    Call bind(long address, CFunction.Type result, CFunction.Type... parameters);

    /** Zeroed memory for one thread, until it is closed. */
    Memory scratch(long bytes);

    /** Zeroed memory for any thread, as long as the object lives. */
    Memory shared(long bytes);

    /** The text that ends with a NUL at an address. */
    String text(long address);

    /** The eight bytes at an address. */
    long longAt(long address);

    /** A native function. */
    interface Call {
        /** Calls it; what it returns is widened, and 0 if it returns nothing. */
        long invoke(long... arguments);
    }

    /** Native memory. */
    interface Memory extends AutoCloseable {
        long address();

        long getLong(long offset);

        int getInt(long offset);

        void put(long offset, byte[] bytes);

        @Override
        void close();
    }
}
