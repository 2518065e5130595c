package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.arrowredis.ArrowRedis;
import io.arrowredis.ArrowRedisException;
import io.arrowredis.Dataset;
import io.arrowredis.ErrorCode;
import io.arrowredis.FileReadOptions;
import io.arrowredis.ReadOptions;
import io.arrowredis.Reader;
import io.arrowredis.Store;
import io.arrowredis.StoreOptions;
import io.arrowredis.arrow.ArrowRedisReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Failures come as exceptions of their code, with what the library knows about them. */
@ExtendWith(Leaks.class)
class ErrorsTest {
    @TempDir
    Path folder;

    @Test
    void aMissingChunkIsNamedAndCanBeSkipped() throws IOException {
        try (RedisServer redis = RedisServer.start();
                Store store = Store.open(redis.url())) {
            Datasets.publish(store, "java:gap");
            redis.cli("DEL", "java:gap:{part=00001}:batch=00001");
            try (Dataset dataset = store.dataset("java:gap")) {
                ArrowRedisException error = assertThrows(
                        ArrowRedisException.ChunkMissing.class, () -> Datasets.ids(dataset, new ReadOptions()));
                assertEquals(ErrorCode.CHUNK_MISSING, error.code());
                assertEquals(OptionalLong.of(1), error.partition());
                assertEquals(OptionalLong.of(1), error.batch());
                assertEquals(Optional.empty(), error.serverCode());
                assertTrue(error.getMessage().contains("java:gap:{part=00001}:batch=00001"), error.getMessage());
                assertTrue(!error.isRetryable());

                Reader skipping =
                        dataset.read(new ReadOptions().onMissing("skip").columns("id64"));
                assertEquals(500, Datasets.ids(skipping).size());
                assertEquals(1, skipping.metrics().chunksSkipped());
            }
        }
    }

    @Test
    void theServersOwnWordIsThere() {
        try (RedisServer redis = RedisServer.start("--requirepass", "secret")) {
            String url = redis.url().replace("//", "//:wrong-password@");
            try (Store store = Store.open(url)) {
                ArrowRedisException error = assertThrows(ArrowRedisException.PermissionDenied.class, store::ping);
                assertEquals(Optional.of("WRONGPASS"), error.serverCode());
                assertEquals(OptionalLong.empty(), error.partition());
                assertTrue(!error.getMessage().contains("wrong-password"), error.getMessage());
                assertTrue(!store.description().contains("wrong-password"), store.description());
            }
        }
    }

    @Test
    void whatIsDownIsRetryable() throws IOException {
        StoreOptions options = new StoreOptions().maxRetries(0);
        try (Store store = Store.open("redis://127.0.0.1:" + RedisServer.freePort(), options)) {
            ArrowRedisException error = assertThrows(ArrowRedisException.Unavailable.class, store::ping);
            assertTrue(error.isRetryable());
        }
    }

    @Test
    void wrongNamesAndBytesAreTold() throws IOException {
        assertThrows(ArrowRedisException.InvalidArgument.class, () -> Store.open("gopher://nowhere"));
        Path junk = Files.writeString(folder.resolve("junk.arrow"), "not an Arrow file".repeat(10));
        ArrowRedisException error =
                assertThrows(ArrowRedisException.Corrupt.class, () -> ArrowRedis.readFile(junk, new FileReadOptions()));
        assertTrue(error.getMessage().contains("junk.arrow"), error.getMessage());
        Path none = folder.resolve("näh – nichts.arrow");
        error = assertThrows(
                ArrowRedisException.NotFound.class, () -> ArrowRedis.readFile(none, new FileReadOptions()));
        assertTrue(error.getMessage().contains("näh – nichts.arrow"), error.getMessage());
        try (Store store = Store.open("memory://errors")) {
            assertThrows(ArrowRedisException.InvalidArgument.class, () -> store.dataset("a{b"));
            assertThrows(ArrowRedisException.InvalidArgument.class, () -> store.dataset(""));
        }
    }

    /** The stack is that of the caller, not of the thread that waited for it. */
    @Test
    void theStackIsTheCallers() {
        try (Store store = Store.open("memory://errors")) {
            ArrowRedisException error =
                    assertThrows(ArrowRedisException.NotFound.class, () -> store.dataset("nothing"));
            boolean here = false;
            for (StackTraceElement element : error.getStackTrace()) {
                here |= element.getMethodName().equals("theStackIsTheCallers");
            }
            assertTrue(here);
        }
    }

    @Test
    void whatIsClosedSaysSo() {
        Store store = Store.open("memory://errors");
        Datasets.publish(store, "java:closed");
        Dataset dataset = store.dataset("java:closed");
        Reader reader = dataset.read();
        store.close();
        store.close();
        assertEquals(
                "the store is closed",
                assertThrows(IllegalStateException.class, store::list).getMessage());
        // What was opened from it goes on.
        assertEquals(Datasets.idsOf(0, 1, 2), Datasets.ids(dataset, new ReadOptions()));
        dataset.close();
        assertThrows(IllegalStateException.class, dataset::info);
        assertEquals(Datasets.idsOf(0, 1, 2), Datasets.ids(reader));
        assertEquals(Datasets.ALL_ROWS, reader.metrics().rows());
        assertThrows(IllegalStateException.class, reader::stream);
    }

    /** An error of an exported stream is a text for its importer, and all of it for who asks the reader. */
    @Test
    void theDetailBehindAStreamsErrorIsKept() throws IOException {
        try (RedisServer redis = RedisServer.start();
                Store store = Store.open(redis.url());
                BufferAllocator allocator = new RootAllocator()) {
            Datasets.publish(store, "java:gap");
            redis.cli("DEL", "java:gap:{part=00000}:batch=00000");
            try (Dataset dataset = store.dataset("java:gap");
                    Reader reader = dataset.read();
                    ArrowArrayStream stream = io.arrowredis.arrow.ArrowStreams.export(reader, allocator)) {
                assertEquals(Optional.empty(), reader.failure());
                try (var imported = org.apache.arrow.c.Data.importArrayStream(allocator, stream)) {
                    IOException error = assertThrows(IOException.class, imported::loadNextBatch);
                    assertTrue(error.getMessage().contains("{part=00000}:batch=00000"), error.getMessage());
                }
                assertEquals(
                        ErrorCode.CHUNK_MISSING, reader.failure().orElseThrow().code());
            }
        }
    }

    /** An error is sticky: the reader says it again. */
    @Test
    void errorsOfAReaderAreSticky() throws IOException {
        try (Store store = Store.open("memory://errors");
                BufferAllocator allocator = new RootAllocator()) {
            Datasets.publish(store, "java:sticky");
            try (Dataset dataset = store.dataset("java:sticky");
                    ArrowRedisReader reader = new ArrowRedisReader(allocator, dataset.read())) {
                reader.reader().cancel();
                assertThrows(ArrowRedisException.Cancelled.class, reader::loadNextBatch);
                assertThrows(ArrowRedisException.Cancelled.class, reader::loadNextBatch);
            }
            store.delete("java:sticky");
        }
    }
}
