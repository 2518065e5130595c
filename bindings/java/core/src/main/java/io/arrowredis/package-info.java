/**
 * Redis as a shared columnar dataset cache: publish a partitioned Arrow dataset once, and read the partitions and columns
 * that you need, from any number of processes.
 *
 * {@snippet :
 * Path file = Path.of("dataset.arrow");
 * ArrowRedis.generateFile(file, new GenerateOptions().partitions(4).rows(10_000));
 * try (Store store = Store.open("redis://127.0.0.1:6379")) {
 *     store.splitFile("demo:v1", file);
 *     try (Dataset dataset = store.dataset("demo:v1");
 *             VerifySide stored = VerifySide.of(dataset);
 *             VerifySide original = VerifySide.of(file)) {
 *         System.out.println(ArrowRedis.verify(stored, original).identical());
 *     }
 * }
 * }
 *
 * <p>A {@link io.arrowredis.Store} is where datasets live, a {@link io.arrowredis.Dataset} one of them, a
 * {@link io.arrowredis.Reader} a running read, a {@link io.arrowredis.Writer} a dataset in the making. A
 * {@link io.arrowredis.Context} bounds and reports an operation. Failures are
 * {@link io.arrowredis.ArrowRedisException}s.
 *
 * <p>Calls that block do so on daemon threads of the library, up to 64 (system property
 * {@code arrowredis.blocking.threads}); the caller waits, may be a virtual thread, and may be interrupted.
 *
 * <p>The native library is taken from the path in the system property {@code arrowredis.library} or the environment
 * variable {@code ARROWREDIS_LIBRARY}, from {@code java.library.path}, from the jar {@code arrowredis-native}, or from
 * the system's own places. It is called through the Foreign Function and Memory API on JDK 22 and newer, where the JVM
 * wants {@code --enable-native-access=ALL-UNNAMED}, and through JNA on JDK 17 to 21.
 */
package io.arrowredis;
