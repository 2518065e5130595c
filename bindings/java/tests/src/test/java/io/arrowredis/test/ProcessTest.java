package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.arrowredis.ArrowRedis;
import io.arrowredis.GenerateOptions;
import io.arrowredis.Store;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** JVMs of their own: how they find the library, what they are told when they do not, and that they end. */
class ProcessTest {
    private static final String OPEN_NIO = "--add-opens=java.base/java.nio=ALL-UNNAMED";
    private static final Path LIBRARY = Programs.PREFIX.resolve("lib/libarrowredis.so");
    private static final String NATIVE_JAR = "arrowredis-native";

    @TempDir
    Path folder;

    private static List<String> flags(String... more) {
        return Stream.concat(Programs.nativeAccess().stream(), Stream.of(more)).toList();
    }

    private static void check(Programs.Outcome outcome, int status, String... texts) {
        assertEquals(status, outcome.status(), outcome.output());
        for (String text : texts) {
            assertTrue(outcome.output().contains(text), () -> "no '" + text + "' in\n" + outcome.output());
        }
    }

    private static Programs.Outcome run(List<String> command) {
        return Programs.tryToRun(command, Map.of());
    }

    @Test
    void aJvmThatReadsEndsWithMain() {
        String url = "file://" + folder.resolve("store");
        try (Store store = Store.open(url);
                BlackHole hole = new BlackHole()) {
            Datasets.publish(store, "java:child");
            check(
                    run(Programs.java(flags(OPEN_NIO), "", ChildMain.class, "read", url, hole.url())),
                    0,
                    "rows " + Datasets.ALL_ROWS + " ");
        }
    }

    @Test
    void theProcessIsConfiguredFirst() {
        check(run(Programs.java(flags(), "", ChildMain.class, "configure")), 0, "configured 8");
    }

    @Test
    void theLibraryInTheJarIsUsedWithoutTraces() throws IOException {
        Path temporary = Files.createDirectory(folder.resolve("tmp"));
        List<String> command = Programs.java(flags("-Djava.io.tmpdir=" + temporary), "", ChildMain.class, "version");
        check(run(command), 0, "version " + ArrowRedis.version());
        try (Stream<Path> left = Files.list(temporary)) {
            assertEquals(
                    List.of(),
                    left.filter(file -> file.toString().contains("libarrowredis"))
                            .toList());
        }
    }

    @Test
    void thePathOfTheLibraryCanBeGiven() {
        String version = "version " + ArrowRedis.version();
        String property = "-Darrowredis.library=" + LIBRARY;
        check(run(Programs.java(flags(property), NATIVE_JAR, ChildMain.class, "version")), 0, version);
        String path = "-Djava.library.path=/nowhere:" + LIBRARY.getParent();
        check(run(Programs.java(flags(path), NATIVE_JAR, ChildMain.class, "version")), 0, version);
        List<String> plain = Programs.java(flags(), NATIVE_JAR, ChildMain.class, "version");
        check(Programs.tryToRun(plain, Map.of("ARROWREDIS_LIBRARY", LIBRARY.toString())), 0, version);
    }

    /** What was asked for is used or refused; nothing else is tried in its place. */
    @Test
    void aLibraryThatIsNotThereIsNamedEveryTime() {
        String property = "-Darrowredis.library=/nowhere/libarrowredis.so";
        Programs.Outcome wrongPath = run(Programs.java(flags(property), "", ChildMain.class, "twice"));
        check(wrongPath, 0, "Unsupported: cannot load the library /nowhere/libarrowredis.so (it was asked for by");
        assertEquals(
                2,
                wrongPath
                        .output()
                        .lines()
                        .filter(line -> line.startsWith("Unsupported: "))
                        .count());
        Programs.Outcome nowhere =
                run(Programs.java(flags("-Djava.library.path=/nowhere"), NATIVE_JAR, ChildMain.class, "twice"));
        check(nowhere, 0, "-Darrowredis.library=", "arrowredis-native jar", "nothing on java.library.path");
    }

    @Test
    void aLibraryOfAnotherVersionIsRefused() throws IOException {
        Path other = compile("other", "int arrowredis_abi_version(void) { return 2; }");
        check(
                run(Programs.java(flags("-Darrowredis.library=" + other), "", ChildMain.class, "twice")),
                0,
                "has version 2 of the C ABI, and this binding needs 1");
        Path none = compile("none", "int something_else(void) { return 2; }");
        check(
                run(Programs.java(flags("-Darrowredis.library=" + none), "", ChildMain.class, "twice")),
                0,
                "is not libarrowredis: it has no arrowredis_abi_version");
    }

    private Path compile(String name, String source) throws IOException {
        Path file = Files.writeString(folder.resolve(name + ".c"), source);
        Path library = folder.resolve("lib" + name + ".so");
        Programs.run(List.of("cc", "-shared", "-fPIC", "-o", library.toString(), file.toString()));
        return library;
    }

    /** JDK 17 needs no flag for native code; newer ones name the flag that is missing. */
    @Test
    void missingFlagsAreNamed() {
        boolean denies = Runtime.version().feature() >= 24;
        List<String> deny = denies ? List.of("--illegal-native-access=deny") : List.of();
        Programs.Outcome outcome = run(Programs.java(deny, "", ChildMain.class, "twice"));
        check(outcome, 0);
        assertEquals(
                denies ? 2 : 0,
                outcome.output()
                        .lines()
                        .filter(line -> line.contains("start it with --enable-native-access=ALL-UNNAMED"))
                        .count(),
                outcome.output());

        List<String> reading = new ArrayList<>(List.of("read", "file://" + folder.resolve("store"), "memory://none"));
        try (Store store = Store.open(reading.get(1))) {
            Datasets.publish(store, "java:child");
        }
        Programs.Outcome closed = run(Programs.java(flags(), "", ChildMain.class, reading.toArray(String[]::new)));
        check(closed, 1, "start the JVM with " + OPEN_NIO);
    }

    @Test
    void theProgramOfTheReadmeRuns() throws IOException {
        String readme = Files.readString(Programs.ROOT.resolve("README.md"));
        Matcher block = Pattern.compile("(?s)```java\n(.*?)```").matcher(readme);
        assertTrue(block.find());
        try (RedisServer redis = RedisServer.start();
                Store store = Store.open(redis.url())) {
            Path file = folder.resolve("demo.arrow");
            ArrowRedis.generateFile(
                    file, new GenerateOptions().partitions(4).batches(2).rows(10));
            store.splitFile("demo:v1", file);
            String source = block.group(1).replace("redis://127.0.0.1:6379", redis.url());
            Path program = Files.writeString(folder.resolve("Demo.java"), source);
            List<String> command = Programs.java(flags(OPEN_NIO), "", ChildMain.class);
            // A source file in place of the class is compiled and run.
            command.set(command.size() - 1, program.toString());
            check(run(command), 0, "10 rows, the first: 60", "10 rows, the first: 70");
        }
    }
}
