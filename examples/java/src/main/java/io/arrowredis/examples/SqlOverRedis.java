package io.arrowredis.examples;

import io.arrowredis.Dataset;
import io.arrowredis.ReadOptions;
import io.arrowredis.Reader;
import io.arrowredis.Store;
import io.arrowredis.arrow.ArrowStreams;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.duckdb.DuckDBConnection;

/**
 * SQL over a dataset in Redis: DuckDB takes the batches as they arrive, in the buffers that they arrive in.
 *
 * <p>{@code SqlOverRedis URL PREFIX SQL [COLUMN...]}, where the SQL calls the dataset {@code dataset}; only the named
 * columns are fetched. For one made by {@code arrowredis gen} and {@code split}:
 *
 * <pre>{@code
 * SqlOverRedis redis://127.0.0.1:6379 demo:v1 \
 *     'SELECT partition, count(*), avg(float64_c) FROM dataset GROUP BY ALL ORDER BY ALL' partition float64_c
 * }</pre>
 */
public final class SqlOverRedis {
    private SqlOverRedis() {}

    /** Runs a query and prints its rows. */
    public static void main(String... arguments) throws SQLException {
        if (arguments.length < 3) {
            throw new IllegalArgumentException("expected URL PREFIX SQL [COLUMN...]");
        }
        ReadOptions options = new ReadOptions();
        if (arguments.length > 3) {
            options.columns(List.of(arguments).subList(3, arguments.length).toArray(String[]::new));
        }
        try (Store store = Store.open(arguments[0]);
                Dataset dataset = store.dataset(arguments[1])) {
            query(dataset, options, arguments[2]).forEach(System.out::println);
        }
    }

    /** The rows of a query's result, their values separated by tabs. */
    static List<String> query(Dataset dataset, ReadOptions options, String sql) throws SQLException {
        try (BufferAllocator allocator = new RootAllocator();
                Reader reader = dataset.read(options);
                ArrowArrayStream stream = ArrowStreams.export(reader, allocator);
                DuckDBConnection connection =
                        DriverManager.getConnection("jdbc:duckdb:").unwrap(DuckDBConnection.class)) {
            // A stream is read once: a query that needs the dataset twice makes a table of it first.
            connection.registerArrowStream("dataset", stream);
            try (Statement statement = connection.createStatement();
                    ResultSet result = statement.executeQuery(sql)) {
                return rows(result);
            } catch (SQLException e) {
                // The reader knows more of what went wrong than the text that came through the stream.
                throw reader.failure().map(RuntimeException.class::cast).orElseThrow(() -> e);
            }
        }
    }

    private static List<String> rows(ResultSet result) throws SQLException {
        ResultSetMetaData columns = result.getMetaData();
        List<String> rows = new ArrayList<>();
        while (result.next()) {
            List<String> values = new ArrayList<>();
            for (int column = 1; column <= columns.getColumnCount(); column++) {
                values.add(result.getString(column));
            }
            rows.add(String.join("\t", values));
        }
        return rows;
    }
}
