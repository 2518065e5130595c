package io.arrowredis.internal;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Calls through the Foreign Function and Memory API. */
final class FfmBackend implements Backend {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final MethodHandle BITS_TO_DOUBLE;

    static {
        try {
            BITS_TO_DOUBLE = MethodHandles.lookup()
                    .findStatic(Double.class, "longBitsToDouble", MethodType.methodType(double.class, long.class));
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final SymbolLookup symbols;

    FfmBackend(Path library) {
        // A bare name goes through the system's loader and its search path.
        symbols = library.getParent() == null
                ? SymbolLookup.libraryLookup(library.toString(), Arena.global())
                : SymbolLookup.libraryLookup(library, Arena.global());
    }

    @Override
    public Call bind(CFunction function) {
        MemorySegment address = symbols.find(function.symbol())
                .orElseThrow(() -> new UnsatisfiedLinkError(function.symbol() + " is missing"));
        return bind(address, function.result(), function.parameters());
    }

    @Override
    public Call bind(long address, CFunction.Type result, CFunction.Type... parameters) {
        return bind(MemorySegment.ofAddress(address), result, parameters);
    }

    private static Call bind(MemorySegment address, CFunction.Type result, CFunction.Type... parameters) {
        MemoryLayout[] layouts = Stream.of(parameters).map(FfmBackend::layout).toArray(MemoryLayout[]::new);
        FunctionDescriptor descriptor = result == CFunction.Type.V
                ? FunctionDescriptor.ofVoid(layouts)
                : FunctionDescriptor.of(layout(result), layouts);
        MethodHandle handle = LINKER.downcallHandle(address, descriptor);
        for (int i = 0; i < parameters.length; i++) {
            if (parameters[i] == CFunction.Type.D) {
                handle = MethodHandles.filterArguments(handle, i, BITS_TO_DOUBLE);
            }
        }
        MethodHandle spread = MethodHandles.explicitCastArguments(
                        handle,
                        MethodType.methodType(
                                long.class,
                                Stream.of(parameters)
                                        .map(parameter -> long.class)
                                        .toArray(Class<?>[]::new)))
                .asSpreader(long[].class, parameters.length);
        return arguments -> {
            try {
                return (long) spread.invokeExact(arguments);
            } catch (Throwable e) {
                throw new AssertionError("a native call cannot throw", e);
            }
        };
    }

    /** Pointers are 64 bits wide and passed as integers are. */
    private static MemoryLayout layout(CFunction.Type type) {
        return switch (type) {
            case I -> ValueLayout.JAVA_INT;
            case D -> ValueLayout.JAVA_DOUBLE;
            default -> ValueLayout.JAVA_LONG;
        };
    }

    @Override
    public Memory scratch(long bytes) {
        Arena arena = Arena.ofConfined();
        return new Block(arena, arena.allocate(bytes, 8));
    }

    @Override
    public Memory shared(long bytes) {
        return new Block(null, Arena.ofAuto().allocate(bytes, 8));
    }

    @Override
    public String text(long address) {
        return MemorySegment.ofAddress(address).reinterpret(Long.MAX_VALUE).getString(0);
    }

    @Override
    public long longAt(long address) {
        return MemorySegment.ofAddress(address).reinterpret(Long.BYTES).get(ValueLayout.JAVA_LONG, 0);
    }

    private record Block(Arena arena, MemorySegment segment) implements Memory {
        @Override
        public long address() {
            return segment.address();
        }

        @Override
        public long getLong(long offset) {
            return segment.get(ValueLayout.JAVA_LONG, offset);
        }

        @Override
        public int getInt(long offset) {
            return segment.get(ValueLayout.JAVA_INT, offset);
        }

        @Override
        public void put(long offset, byte[] bytes) {
            MemorySegment.copy(bytes, 0, segment, ValueLayout.JAVA_BYTE, offset, bytes.length);
        }

        @Override
        public void close() {
            if (arena != null) {
                arena.close();
            }
        }
    }
}
