package io.arrowredis.internal;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import java.nio.file.Path;

/** Calls through JNA. */
final class JnaBackend implements Backend {
    private final NativeLibrary library;

    JnaBackend(Path library) {
        this.library = NativeLibrary.getInstance(library.toString());
    }

    @Override
    public Call bind(CFunction function) {
        return bind(library.getFunction(function.symbol()), function.result(), function.parameters());
    }

    @Override
    public Call bind(long address, CFunction.Type result, CFunction.Type... parameters) {
        return bind(Function.getFunction(new Pointer(address)), result, parameters);
    }

    private static Call bind(Function function, CFunction.Type result, CFunction.Type... parameters) {
        return arguments -> {
            Object[] boxed = new Object[parameters.length];
            for (int i = 0; i < boxed.length; i++) {
                boxed[i] = box(parameters[i], arguments[i]);
            }
            return switch (result) {
                case I -> function.invokeInt(boxed);
                case V -> {
                    function.invokeVoid(boxed);
                    yield 0;
                }
                default -> function.invokeLong(boxed);
            };
        };
    }

    private static Object box(CFunction.Type type, long value) {
        return switch (type) {
            case I -> (int) value;
            case D -> Double.longBitsToDouble(value);
            default -> value;
        };
    }

    @Override
    public Memory scratch(long bytes) {
        return new Block(bytes);
    }

    @Override
    public Memory shared(long bytes) {
        return new Block(bytes);
    }

    @Override
    public String text(long address) {
        return new Pointer(address).getString(0, "UTF-8");
    }

    @Override
    public long longAt(long address) {
        return new Pointer(address).getLong(0);
    }

    private record Block(com.sun.jna.Memory memory) implements Memory {
        Block(long bytes) {
            this(new com.sun.jna.Memory(bytes));
            memory.clear();
        }

        @Override
        public long address() {
            return Pointer.nativeValue(memory);
        }

        @Override
        public long getLong(long offset) {
            return memory.getLong(offset);
        }

        @Override
        public int getInt(long offset) {
            return memory.getInt(offset);
        }

        @Override
        public void put(long offset, byte[] bytes) {
            memory.write(offset, bytes, 0, bytes.length);
        }

        @Override
        public void close() {
            memory.close();
        }
    }
}
