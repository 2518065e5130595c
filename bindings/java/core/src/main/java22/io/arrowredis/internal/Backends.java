package io.arrowredis.internal;

import java.nio.file.Path;

/** Chooses the backend on JDK 22 and newer. */
final class Backends {
    private Backends() {}

    /** A backend over the library in a file, or over one that the system's loader knows by that name. */
    static Backend load(Path library) {
        return new FfmBackend(library);
    }
}
