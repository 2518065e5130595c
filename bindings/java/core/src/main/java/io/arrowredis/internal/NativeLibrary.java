package io.arrowredis.internal;

import io.arrowredis.ArrowRedisException;
import io.arrowredis.ErrorCode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;

/** Finds the shared library, loads it, and checks that it speaks our version of the C ABI. */
final class NativeLibrary {
    /** The version of the C ABI that {@link CFunction} and the records of this binding describe. */
    static final int ABI_VERSION = 1;

    private static final String PROPERTY = "arrowredis.library";
    private static final String VARIABLE = "ARROWREDIS_LIBRARY";
    private static final String FILE = System.mapLibraryName("arrowredis");
    private static final String SONAME = FILE + "." + ABI_VERSION;

    private NativeLibrary() {}

    /** The backend over the library: from the path that was asked for, or the first place that has one. */
    static Backend load() {
        String asked = System.getProperty(PROPERTY, System.getenv(VARIABLE));
        if (asked != null) {
            return load(Path.of(asked).toAbsolutePath(), "it was asked for by " + PROPERTY + " or " + VARIABLE);
        }
        for (String folder : System.getProperty("java.library.path", "").split(System.getProperty("path.separator"))) {
            for (String name : List.of(FILE, SONAME)) {
                Path file = Path.of(folder, name);
                if (!folder.isEmpty() && Files.isRegularFile(file)) {
                    return load(file.toAbsolutePath(), "it was found on java.library.path");
                }
            }
        }
        Path bundled = unpackBundled();
        if (bundled != null) {
            try {
                return load(bundled, "it came in a jar");
            } finally {
                deleteQuietly(bundled);
            }
        }
        return load(
                Path.of(SONAME),
                "no " + PROPERTY + ", no " + VARIABLE + ", nothing on java.library.path, and no "
                        + "arrowredis-native jar for " + platform() + ": only the system's own places are left");
    }

    private static Backend load(Path library, String why) {
        Backend backend = open(library, why);
        long version = call(backend, CFunction.ABI_VERSION, library);
        if (version != ABI_VERSION) {
            throw unusable(
                    "the library " + library + " has version " + version + " of the C ABI, and this binding needs "
                            + ABI_VERSION + ": use the arrowredis jar of the library's own version",
                    null);
        }
        return backend;
    }

    private static long call(Backend backend, CFunction function, Path library) {
        try {
            return backend.bind(function).invoke();
        } catch (UnsatisfiedLinkError e) {
            throw unusable(library + " is not libarrowredis: it has no " + function.symbol(), e);
        }
    }

    private static Backend open(Path library, String why) {
        try {
            return Backends.load(library);
        } catch (IllegalCallerException e) {
            throw unusable(
                    "this JVM does not let " + moduleName() + " call native code: start it with "
                            + "--enable-native-access=" + moduleName(),
                    e);
        } catch (IllegalArgumentException | UnsatisfiedLinkError e) {
            throw unusable(
                    "cannot load the library " + library + " (" + why + "): " + e.getMessage() + "; set -D" + PROPERTY
                            + "=/path/to/" + FILE + ", or put the arrowredis-native jar on the class path",
                    e);
        }
    }

    private static String moduleName() {
        Module module = NativeLibrary.class.getModule();
        return module.isNamed() ? module.getName() : "ALL-UNNAMED";
    }

    /** The bundled library as a temporary file, which may go as soon as it is loaded; null if there is none. */
    private static Path unpackBundled() {
        try (InputStream resource =
                NativeLibrary.class.getResourceAsStream("/io/arrowredis/native/" + platform() + "/" + FILE)) {
            if (resource == null) {
                return null;
            }
            Path file = Files.createTempFile("libarrowredis-", ".so");
            Files.copy(resource, file, StandardCopyOption.REPLACE_EXISTING);
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "cannot unpack the bundled library into " + System.getProperty("java.io.tmpdir"), e);
        }
    }

    private static void deleteQuietly(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            file.toFile().deleteOnExit();
        }
    }

    /** As the folders of bundled libraries are named: {@code linux-x86_64}. */
    static String platform() {
        String machine = System.getProperty("os.arch").equals("amd64") ? "x86_64" : System.getProperty("os.arch");
        return System.getProperty("os.name").toLowerCase(Locale.ROOT) + "-" + machine;
    }

    private static ArrowRedisException unusable(String message, Throwable cause) {
        ArrowRedisException error = ArrowRedisException.of(ErrorCode.UNSUPPORTED, message);
        error.initCause(cause);
        return error;
    }
}
