package io.arrowredis;

import io.arrowredis.internal.CFunction;
import io.arrowredis.internal.Native;
import io.arrowredis.internal.Scratch;
import java.util.ArrayList;
import java.util.List;

/**
 * What a server said of itself.
 *
 * @param server the product, such as {@code redis}, {@code valkey}, {@code directory} or {@code memory}
 * @param version its version; empty where there is none
 * @param role {@code master}, {@code replica} or empty
 * @param maxMemoryPolicy what the server evicts when full; null where it would not say
 * @param maxMemoryBytes the server's memory limit in bytes; 0 means none, -1 that it would not say
 * @param usedMemoryBytes the bytes that the server uses now; -1 if it would not say
 * @param cluster whether the server is part of a cluster
 * @param tls whether the connection is encrypted
 * @param latencySeconds the median round-trip time of a few pings; 0 for stores without a server
 * @param deniedCommands the commands that the library needs and the user may not run
 */
public record ServerInfo(
        String server,
        String version,
        String role,
        String maxMemoryPolicy,
        long maxMemoryBytes,
        long usedMemoryBytes,
        boolean cluster,
        boolean tls,
        double latencySeconds,
        List<String> deniedCommands) {
    private static final int FIELDS = 10;

    /** Reads a native server info. */
    static ServerInfo from(long info) {
        try (Scratch scratch = new Scratch()) {
            Scratch.Place fields = scratch.place(FIELDS);
            Native.check(CFunction.SERVER_INFO_FIELDS, info, fields.address(), fields.size());
            return new ServerInfo(
                    fields.text(),
                    fields.text(),
                    fields.text(),
                    fields.text(),
                    fields.number(),
                    fields.number(),
                    fields.flag(),
                    fields.flag(),
                    fields.fraction(),
                    commands(info, fields.number()));
        }
    }

    private static List<String> commands(long info, long count) {
        List<String> commands = new ArrayList<>();
        for (long index = 0; index < count; index++) {
            commands.add(Native.text(CFunction.SERVER_INFO_DENIED_COMMAND, info, index, 0));
        }
        return List.copyOf(commands);
    }
}
