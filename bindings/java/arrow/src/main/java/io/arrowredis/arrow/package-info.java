/**
 * Datasets as arrow-java vectors: an {@link io.arrowredis.arrow.ArrowRedisReader} is an
 * {@link org.apache.arrow.vector.ipc.ArrowReader}, an {@link io.arrowredis.arrow.ArrowRedisWriter} takes
 * {@link org.apache.arrow.vector.VectorSchemaRoot}s, and {@link io.arrowredis.arrow.ArrowStreams} has the rest. Buffers
 * are shared with the native library rather than copied.
 *
 * <p>arrow-java wants {@code --add-opens=java.base/java.nio=ALL-UNNAMED}.
 */
package io.arrowredis.arrow;
