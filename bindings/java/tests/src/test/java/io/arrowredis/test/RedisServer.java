package io.arrowredis.test;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A real Redis server on a free port, stopped when closed. */
public final class RedisServer implements AutoCloseable {
    private static final long START_SECONDS = 20;

    private final Process process;
    private final int port;

    private RedisServer(Process process, int port) {
        this.process = process;
        this.port = port;
    }

    /** Starts one, with settings as the command line takes them. */
    public static RedisServer start(String... settings) {
        try {
            Path folder = Files.createTempDirectory("arrowredis-java-");
            folder.toFile().deleteOnExit();
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
            while (true) {
                // Somebody else may take a free port before the server does: then others are tried.
                int port = freePort();
                Process process = spawn(folder, port, settings);
                while (process.isAlive()) {
                    if (listens(port)) {
                        return new RedisServer(process, port);
                    }
                    process.waitFor(20, TimeUnit.MILLISECONDS);
                }
                if (System.nanoTime() > deadline) {
                    throw new AssertionError("redis-server does not start");
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("redis-server is needed: run `make setup`", e);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static Process spawn(Path folder, int port, String... settings) throws IOException {
        List<String> command = new ArrayList<>(List.of("redis-server", "--port", "" + port, "--bind", "127.0.0.1"));
        command.addAll(List.of("--dir", folder.toString(), "--save", "", "--appendonly", "no"));
        command.addAll(List.of(settings));
        return new ProcessBuilder(command)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    private static boolean listens(int port) {
        try (Socket socket = new Socket("127.0.0.1", port)) {
            return socket.isConnected();
        } catch (IOException e) {
            return false;
        }
    }

    static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    /** Its URL. */
    public String url() {
        return "redis://127.0.0.1:" + port;
    }

    /** Sends it a signal: {@code STOP}, {@code CONT}. */
    public void signal(String name) {
        Programs.run(List.of("kill", "-" + name, "" + process.pid()));
    }

    /** What {@code redis-cli} prints. */
    public String cli(String... words) {
        List<String> command = new ArrayList<>(List.of("redis-cli", "-p", "" + port));
        command.addAll(List.of(words));
        return Programs.run(command);
    }

    /** How many clients are connected, but for the one that asks. */
    public long clients() {
        return cli("CLIENT", "LIST")
                .lines()
                .filter(line -> !line.contains("cmd=client"))
                .count();
    }

    @Override
    public void close() {
        process.destroy();
        try {
            if (!process.waitFor(START_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
