package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.arrowredis.ArrowRedisException;
import io.arrowredis.Logs;
import io.arrowredis.Store;
import io.arrowredis.StoreOptions;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** The library's records arrive at the JVM's loggers, which are those of java.util.logging here. */
@ExtendWith(Leaks.class)
class LogsTest {
    private static final Logger LIBRARY = Logger.getLogger("arrowredis");

    private static final class Recorder extends Handler {
        private final BlockingQueue<LogRecord> records = new LinkedBlockingQueue<>();

        @Override
        public void publish(LogRecord record) {
            records.add(record);
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
    }

    @Test
    void recordsArriveAtTheirLoggers() throws Exception {
        Recorder recorder = new Recorder();
        LIBRARY.addHandler(recorder);
        LIBRARY.setUseParentHandlers(false);
        try (Logs logs = Logs.forward(System.Logger.Level.INFO, 100)) {
            failWithRetries();
            LogRecord record = recorder.records.poll(30, TimeUnit.SECONDS);
            assertEquals(Level.INFO, record.getLevel());
            assertEquals("arrowredis.store.redis.retry", record.getLoggerName());
            assertTrue(record.getMessage().contains("will be repeated"), record.getMessage());
            logs.close();
            logs.close();
        } finally {
            LIBRARY.removeHandler(recorder);
        }
        assertEquals(0, Logs.dropped());
        assertThrows(ArrowRedisException.InvalidArgument.class, () -> Logs.forward(System.Logger.Level.INFO, 0));
    }

    private static void failWithRetries() throws IOException {
        StoreOptions options = new StoreOptions().maxRetries(1).retryBaseDelay(Duration.ofMillis(1));
        try (Store store = Store.open("redis://127.0.0.1:" + RedisServer.freePort(), options)) {
            assertThrows(ArrowRedisException.Unavailable.class, store::ping);
        }
    }
}
