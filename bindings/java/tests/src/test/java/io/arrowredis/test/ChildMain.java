package io.arrowredis.test;

import io.arrowredis.ArrowRedis;
import io.arrowredis.Context;
import io.arrowredis.Dataset;
import io.arrowredis.Logs;
import io.arrowredis.Options;
import io.arrowredis.ReadOptions;
import io.arrowredis.Reader;
import io.arrowredis.Store;
import java.util.List;

/** Programs of their own for tests: what they do, and what they leave open, is their first argument. */
final class ChildMain {
    private ChildMain() {}

    public static void main(String... arguments) {
        switch (arguments[0]) {
            case "version" -> System.out.println("version " + ArrowRedis.version());
            case "twice" -> {
                for (int i = 0; i < 2; i++) {
                    try {
                        ArrowRedis.version();
                    } catch (RuntimeException e) {
                        System.out.println(e.getClass().getSimpleName() + ": " + e.getMessage());
                    }
                }
            }
            case "read" -> read(arguments[1], arguments[2]);
            case "configure" -> {
                ArrowRedis.configure(
                        new io.arrowredis.RuntimeOptions().ioThreads(1).cpuThreads(1));
                System.out.println(
                        "configured " + List.of(Options.Kind.values()).size());
            }
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    /** Reads, has a call wait for ever, and returns from main with everything open. */
    private static void read(String url, String blackHole) {
        Logs.forward(System.Logger.Level.INFO, 10);
        Store lost = Store.open(blackHole);
        lost.pingAsync(new Context());
        Store store = Store.open(url);
        Dataset dataset = store.dataset("java:child");
        Reader open = dataset.read();
        System.out.println("rows " + Datasets.ids(dataset, new ReadOptions()).size() + " "
                + open.metrics().rows());
    }
}
