package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.arrowredis.ArrowRedis;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** After each test nothing of the library's is left: what is closed in the background gets some time for it. */
public final class Leaks implements AfterEachCallback {
    private static final long PATIENCE_NANOS = 10_000_000_000L;

    @Override
    public void afterEach(ExtensionContext context) throws InterruptedException {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (ArrowRedis.liveHandles() != 0 && System.nanoTime() < deadline) {
            Thread.sleep(10);
        }
        assertEquals(0, ArrowRedis.liveHandles(), "handles that nobody has freed");
    }
}
