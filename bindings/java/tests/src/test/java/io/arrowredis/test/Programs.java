package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Other programs: Python with pyarrow, the C compiler, JVMs of our own. */
final class Programs {
    static final Path ROOT = Path.of(System.getProperty("arrowredis.root")).normalize();
    static final Path PREFIX = Path.of(System.getProperty("arrowredis.prefix")).normalize();
    private static final long SECONDS = 120;

    private Programs() {}

    /** How a program ended, and what it printed to both of its outputs. */
    record Outcome(int status, String output) {}

    /** Runs a program that has to succeed; gives what it printed. */
    static String run(List<String> command) {
        Outcome outcome = tryToRun(command, Map.of());
        assertEquals(0, outcome.status, () -> command + " printed\n" + outcome.output);
        return outcome.output;
    }

    static Outcome tryToRun(List<String> command, Map<String, String> environment) {
        try {
            ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
            builder.environment().keySet().removeIf(name -> name.startsWith("ARROWREDIS_") || name.startsWith("JDK_"));
            builder.environment().putAll(environment);
            Process process = builder.start();
            process.getOutputStream().close();
            String output = new String(process.getInputStream().readAllBytes());
            assertTrue(process.waitFor(SECONDS, TimeUnit.SECONDS), () -> command + " does not end");
            return new Outcome(process.exitValue(), output);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Runs one of the Python programs beside the tests, with pyarrow. */
    static String python(String script, String... arguments) {
        List<String> command = new ArrayList<>(List.of(
                ROOT.resolve(".venv/bin/python").toString(),
                ROOT.resolve("bindings/java/tests/src/test/python")
                        .resolve(script)
                        .toString()));
        command.addAll(List.of(arguments));
        return run(command);
    }

    /** A command that runs a class of ours on this JVM's kind, with the class path of this one but for some jars. */
    static List<String> java(List<String> flags, String without, Class<?> main, String... arguments) {
        String separator = System.getProperty("path.separator");
        List<String> classPath =
                new ArrayList<>(List.of(System.getProperty("java.class.path").split(separator)));
        if (!without.isEmpty()) {
            classPath.removeIf(element -> element.contains(without));
        }
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-XX:TieredStopAtLevel=1", "-Xshare:auto"));
        command.addAll(flags);
        command.addAll(List.of("-cp", String.join(separator, classPath), main.getName()));
        command.addAll(List.of(arguments));
        return command;
    }

    /** The flag that lets this kind of JVM call native code without a warning; none where it needs none. */
    static List<String> nativeAccess() {
        return Runtime.version().feature() < 22 ? List.of() : List.of("--enable-native-access=ALL-UNNAMED");
    }
}
