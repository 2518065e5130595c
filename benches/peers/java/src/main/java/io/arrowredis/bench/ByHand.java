package io.arrowredis.bench;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import org.apache.arrow.compression.CommonsCompressionFactory;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.ipc.ArrowStreamReader;
import org.apache.arrow.vector.util.ByteArrayReadableSeekableByteChannel;
import redis.clients.jedis.Connection;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Protocol;
import redis.clients.jedis.params.ScanParams;

/**
 * Reads partitions from Redis with Jedis and arrow-java, as well as these two can, and counts their rows in order.
 *
 * <p>Two connections, each with a thread that keeps two GETs in flight and hands every value to a pool of as many threads
 * as there are cores. Those decode it with arrow-java, whose zstd is the C library. What is fetched and not yet decoded
 * is bounded.
 *
 * <p>Why it cannot be faster: Jedis reads the socket 8 KiB at a time into a buffer of its own, and from there into a
 * {@code byte[]} for each value, zeroed by the JVM first; arrow-java copies that into a buffer outside the heap, and
 * decompresses into another. Two connections keep a thread each busy with the first copies, which is all of two cores
 * that they share with the server; more of them take turns. Lettuce, over Netty, gathers each value in a buffer that grows
 * by doubling, and so copies it once more. A protocol reader of one's own over a {@code SocketChannel} could receive into
 * Arrow buffers, but is no longer a Redis client.
 */
final class ByHand {
    private static final int CONNECTIONS = Integer.getInteger("connections", 2);
    private static final int DEPTH = Integer.getInteger("depth", 2);
    private static final int DECODERS = Runtime.getRuntime().availableProcessors();
    private static final int MAX_WAITING = 16;

    private final Bench.Flags flags;
    private final BufferAllocator allocator = new RootAllocator();
    private final ExecutorService fetchers = Executors.newFixedThreadPool(CONNECTIONS, ByHand::daemon);
    private final ExecutorService decoders = Executors.newFixedThreadPool(DECODERS, ByHand::daemon);
    private final Semaphore waiting = new Semaphore(MAX_WAITING);

    private ByHand(Bench.Flags flags) {
        this.flags = flags;
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    }

    public static void main(String... arguments) throws Exception {
        ByHand byHand = new ByHand(Bench.Flags.parse(arguments));
        Bench.report(byHand::read);
    }

    static Bench.Outcome read(Bench.Flags flags) throws Exception {
        return new ByHand(flags).read();
    }

    private Bench.Outcome read() throws Exception {
        List<byte[]> keys = keys();
        List<CompletableFuture<Bench.Outcome>> chunks = new ArrayList<>();
        keys.forEach(key -> chunks.add(new CompletableFuture<>()));
        for (int first = 0; first < CONNECTIONS; first++) {
            int begin = first;
            fetchers.execute(() -> fetch(keys, chunks, begin));
        }
        Bench.Outcome total = new Bench.Outcome(0, 0, 0);
        for (CompletableFuture<Bench.Outcome> chunk : chunks) {
            Bench.Outcome one = chunk.get();
            total = new Bench.Outcome(
                    total.rows() + one.rows(), total.chunks() + 1, total.payloadBytes() + one.payloadBytes());
        }
        return total;
    }

    /** The keys to read, of the partitions that were asked for, or of those that a SCAN finds. */
    private List<byte[]> keys() {
        List<String> partitions = flags.partitions();
        if (partitions.isEmpty()) {
            try (Jedis jedis = new Jedis(URI.create(flags.redisUrl()))) {
                partitions = stored(jedis);
            }
        }
        List<byte[]> keys = new ArrayList<>();
        for (String partition : partitions) {
            for (int batch = 0; batch < flags.batches(); batch++) {
                String key = "%s:{part=%05d}:batch=%05d".formatted(flags.prefix(), Integer.valueOf(partition), batch);
                keys.add(key.getBytes(StandardCharsets.UTF_8));
            }
        }
        return keys;
    }

    private List<String> stored(Jedis jedis) {
        String before = flags.prefix() + ":{part=";
        ScanParams first = new ScanParams().match(before + "*}:batch=00000").count(10_000);
        TreeSet<String> found = new TreeSet<>();
        String cursor = ScanParams.SCAN_POINTER_START;
        do {
            var page = jedis.scan(cursor, first);
            page.getResult().forEach(key -> found.add(key.substring(before.length(), key.indexOf('}'))));
            cursor = page.getCursor();
        } while (!cursor.equals(ScanParams.SCAN_POINTER_START));
        return List.copyOf(found);
    }

    /** Every so-many-th key by one connection. */
    private void fetch(List<byte[]> keys, List<CompletableFuture<Bench.Outcome>> chunks, int first) {
        try (Jedis jedis = new Jedis(URI.create(flags.redisUrl()))) {
            Connection connection = jedis.getConnection();
            for (int ahead = 0; ahead < DEPTH; ahead++) {
                request(connection, keys, first + ahead * CONNECTIONS);
            }
            for (int number = first; number < keys.size(); number += CONNECTIONS) {
                byte[] payload = connection.getBinaryBulkReply();
                request(connection, keys, number + DEPTH * CONNECTIONS);
                waiting.acquire();
                CompletableFuture<Bench.Outcome> chunk = chunks.get(number);
                decoders.execute(() -> decode(payload, chunk));
            }
        } catch (Exception e) {
            chunks.forEach(chunk -> chunk.completeExceptionally(e));
        }
    }

    private static void request(Connection connection, List<byte[]> keys, int number) {
        if (number < keys.size()) {
            connection.sendCommand(Protocol.Command.GET, keys.get(number));
        }
    }

    private void decode(byte[] payload, CompletableFuture<Bench.Outcome> chunk) {
        try (ArrowStreamReader reader = new ArrowStreamReader(
                new ByteArrayReadableSeekableByteChannel(payload), allocator, CommonsCompressionFactory.INSTANCE)) {
            if (!reader.loadNextBatch()) {
                throw new IOException("a chunk without a batch");
            }
            chunk.complete(new Bench.Outcome(reader.getVectorSchemaRoot().getRowCount(), 1, payload.length));
        } catch (Exception e) {
            chunk.completeExceptionally(e);
        } finally {
            waiting.release();
        }
    }
}
