package io.arrowredis.test;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;

/** A server that takes connections and never says a word. */
public final class BlackHole implements AutoCloseable {
    private final ServerSocket listener;
    private final List<Socket> connections = new ArrayList<>();

    /** Starts one. */
    public BlackHole() {
        try {
            listener = new ServerSocket(0, 1000, InetAddress.getLoopbackAddress());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Thread thread = new Thread(this::accept, "black-hole");
        thread.setDaemon(true);
        thread.start();
    }

    private void accept() {
        try {
            while (true) {
                Socket connection = listener.accept();
                synchronized (connections) {
                    connections.add(connection);
                    connections.notifyAll();
                }
            }
        } catch (IOException closed) {
            // That is how it ends.
        }
    }

    /** Its URL. */
    public String url() {
        return "redis://127.0.0.1:" + listener.getLocalPort();
    }

    /** Waits until somebody has fallen in. */
    public void awaitVictim() throws InterruptedException {
        synchronized (connections) {
            while (connections.isEmpty()) {
                connections.wait();
            }
        }
    }

    @Override
    public void close() {
        try {
            listener.close();
            synchronized (connections) {
                for (Socket connection : connections) {
                    connection.close();
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
