package io.arrowredis.internal;

import java.nio.file.Path;

/** Chooses the backend: this class for JDK 17 to 21, its namesake in {@code src/main/java22} for newer ones. */
final class Backends {
    private Backends() {}

    /** A backend over the library in a file, or over one that the system's loader knows by that name. */
    static Backend load(Path library) {
        return new JnaBackend(library);
    }
}
