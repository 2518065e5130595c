package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.arrowredis.ArrowRedis;
import io.arrowredis.ArrowRedisException;
import io.arrowredis.FileReadOptions;
import io.arrowredis.GenerateOptions;
import io.arrowredis.Options;
import io.arrowredis.ReadOptions;
import io.arrowredis.RuntimeOptions;
import io.arrowredis.S3Options;
import io.arrowredis.SplitOptions;
import io.arrowredis.Store;
import io.arrowredis.StoreOptions;
import io.arrowredis.VerifyOptions;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every option that the library has can be set, by a method of its type and by its key. */
@ExtendWith(Leaks.class)
class OptionsTest {
    private static final Map<Options.Kind, Class<?>> CLASSES = Map.of(
            Options.Kind.STORE, StoreOptions.class,
            Options.Kind.READ, ReadOptions.class,
            Options.Kind.FILE_READ, FileReadOptions.class,
            Options.Kind.SPLIT, SplitOptions.class,
            Options.Kind.GENERATE, GenerateOptions.class,
            Options.Kind.VERIFY, VerifyOptions.class,
            Options.Kind.RUNTIME, RuntimeOptions.class,
            Options.Kind.S3, S3Options.class);

    @ParameterizedTest
    @EnumSource(Options.Kind.class)
    void everyKeyHasItsMethod(Options.Kind kind) {
        Map<String, Class<?>> declared = new TreeMap<>();
        for (Options.Description option : kind.describe()) {
            declared.put(HeaderTest.camelCase(option.key()), type(option.valueType()));
            assertTrue(!option.doc().isEmpty(), option.key());
        }
        Map<String, Class<?>> bound = new TreeMap<>();
        for (Method method : CLASSES.get(kind).getDeclaredMethods()) {
            if (Modifier.isPublic(method.getModifiers()) && !method.isBridge()) {
                bound.put(method.getName(), method.getParameterTypes()[0]);
            }
        }
        assertEquals(declared, bound);
    }

    private static Class<?> type(String valueType) {
        return switch (valueType) {
            case "bool" -> boolean.class;
            case "integer", "bytes" -> long.class;
            case "duration" -> Duration.class;
            case "list" -> String[].class;
            default -> String.class;
        };
    }

    @Test
    void valuesOfEveryTypeArrive() {
        StoreOptions options = new StoreOptions()
                .timeout(Duration.ofMillis(1500))
                .connections(3)
                .cluster(false)
                .clientName("java")
                .set("max_retries", "2");
        Store.open("memory://options", options).close();
    }

    @Test
    void wrongValuesAreNamed() {
        Stream.of(
                        new StoreOptions().set("no_such_key", "1"),
                        new StoreOptions().set("connections", "many"),
                        new StoreOptions().connections(-1),
                        new StoreOptions().timeout(Duration.ofSeconds(-1)))
                .forEach(options -> {
                    ArrowRedisException e = assertThrows(
                            ArrowRedisException.InvalidArgument.class, () -> Store.open("memory://options", options));
                    assertTrue(e.getMessage().matches(".*'(no_such_key|connections|timeout)'.*"), e.getMessage());
                });
        assertThrows(NullPointerException.class, () -> new StoreOptions().clientName(null));
    }

    @Test
    void theProcessIsConfiguredBeforeItsFirstOperationOnly() {
        try (Store store = Store.open("memory://options")) {
            store.ping();
        }
        RuntimeOptions options = new RuntimeOptions().ioThreads(2);
        assertThrows(ArrowRedisException.Conflict.class, () -> ArrowRedis.configure(options));
    }
}
