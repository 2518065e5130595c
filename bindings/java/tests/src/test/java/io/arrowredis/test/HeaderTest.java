package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.arrowredis.DatasetInfo;
import io.arrowredis.DatasetSummary;
import io.arrowredis.ErrorCode;
import io.arrowredis.GarbageReport;
import io.arrowredis.Metrics;
import io.arrowredis.Options;
import io.arrowredis.Partition;
import io.arrowredis.ServerInfo;
import io.arrowredis.SplitReport;
import io.arrowredis.VerifyReport;
import io.arrowredis.internal.CFunction;
import io.arrowredis.internal.Native;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The binding and the C header say the same: functions, structs, codes, kinds of options, levels, version. */
class HeaderTest {
    private static final String HEADER = withoutComments(read(Programs.ROOT.resolve("include/arrowredis.h")));
    private static final Path SOURCES = Programs.ROOT.resolve("bindings/java/core/src/main/java/io/arrowredis");

    private static final Map<String, Class<? extends Record>> STRUCTS = Map.of(
            "arrowredis_option_info", Options.Description.class,
            "arrowredis_metrics", Metrics.class,
            "arrowredis_server_fields", ServerInfo.class,
            "arrowredis_dataset_fields", DatasetInfo.class,
            "arrowredis_partition", Partition.class,
            "arrowredis_dataset_summary", DatasetSummary.class,
            "arrowredis_split_report", SplitReport.class,
            "arrowredis_garbage_report", GarbageReport.class,
            "arrowredis_verify_side_fields", VerifyReport.Side.class,
            "arrowredis_column_difference", VerifyReport.ColumnDifference.class);

    /** What Java does by other means: the queue of log records, tokens of its own, close as free, enums. */
    private static final Set<CFunction> NOT_CALLED = Set.of(
            CFunction.LOG_SET_CALLBACK,
            CFunction.CANCEL_TOKEN_IS_CANCELLED,
            CFunction.STORE_CLOSE,
            CFunction.CODE_NAME);

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String withoutComments(String text) {
        return text.replaceAll("//[^\n]*", "").replaceAll("(?s)/\\*.*?\\*/", "");
    }

    @Test
    void everyFunctionIsInTheTableAsTheHeaderHasIt() {
        Map<String, String> declared = new TreeMap<>();
        Matcher matcher = Pattern.compile("(?m)^((?:const )?\\w+ \\*?)(arrowredis_\\w+)\\(([^;{]*?)\\);")
                .matcher(HEADER);
        while (matcher.find()) {
            String parameters = Stream.of(matcher.group(3).trim().split(",\\s*"))
                    .filter(parameter -> !parameter.equals("void"))
                    .map(parameter -> type(parameter).name())
                    .collect(Collectors.joining());
            declared.put(matcher.group(2), type(matcher.group(1)) + "(" + parameters + ")");
        }
        Map<String, String> bound = new TreeMap<>();
        for (CFunction function : CFunction.values()) {
            String parameters = Stream.of(function.parameters()).map(Enum::name).collect(Collectors.joining());
            bound.put(function.symbol(), function.result() + "(" + parameters + ")");
            assertTrue(Native.exports(function), function.symbol());
        }
        assertTrue(declared.size() > 80);
        assertEquals(declared, bound);
    }

    private static CFunction.Type type(String declaration) {
        if (declaration.contains("*") || declaration.contains("arrowredis_log_callback")) {
            return CFunction.Type.P;
        }
        Map<String, CFunction.Type> types = Map.of(
                "int32_t", CFunction.Type.I,
                "int64_t", CFunction.Type.L,
                "uint64_t", CFunction.Type.L,
                "size_t", CFunction.Type.Z,
                "double", CFunction.Type.D,
                "void", CFunction.Type.V);
        return types.get(declaration.trim().split("\\s+")[0]);
    }

    @Test
    void everyFunctionIsCalled() throws IOException {
        Set<CFunction> called = new TreeSet<>();
        try (Stream<Path> files = Files.walk(SOURCES)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Matcher matcher = Pattern.compile("CFunction\\.([A-Z0-9_]+)\\b").matcher(read(file));
                while (matcher.find()) {
                    called.add(CFunction.valueOf(matcher.group(1)));
                }
            }
        }
        Set<CFunction> others = new TreeSet<>(Arrays.asList(CFunction.values()));
        others.removeAll(called);
        assertEquals(new TreeSet<>(NOT_CALLED), others);
    }

    @Test
    void everyStructIsARecordWithItsFields() {
        Matcher structs = Pattern.compile("typedef struct (arrowredis_\\w+) \\{(.*?)\\}", Pattern.DOTALL)
                .matcher(HEADER);
        Map<String, List<String>> declared = new TreeMap<>();
        Map<String, List<String>> bound = new TreeMap<>();
        while (structs.find()) {
            List<String> fields = Stream.of(structs.group(2).split(";"))
                    .map(String::trim)
                    .filter(field -> !field.isEmpty())
                    .map(HeaderTest::field)
                    .toList();
            declared.put(structs.group(1), fields);
            Class<? extends Record> record = STRUCTS.get(structs.group(1));
            assertTrue(record != null, () -> "no record for " + structs.group(1));
            bound.put(structs.group(1), components(record));
        }
        assertEquals(STRUCTS.keySet(), declared.keySet());
        assertEquals(declared, bound);
    }

    /** A field as a component should be: its type and name. */
    private static String field(String declaration) {
        Matcher matcher =
                Pattern.compile("(.*?)(\\w+)(\\[\\d+\\])?$", Pattern.DOTALL).matcher(declaration);
        assertTrue(matcher.matches(), declaration);
        boolean text = matcher.group(1).contains("char");
        String type = text ? "text" : matcher.group(1).contains("double") ? "fraction" : "number";
        return type + " " + camelCase(matcher.group(2));
    }

    private static List<String> components(Class<? extends Record> record) {
        List<String> components = new ArrayList<>();
        for (var component : record.getRecordComponents()) {
            // What a report cost comes from the call's other struct.
            if (component.getType() != Metrics.class) {
                components.add(typeName(component.getType()) + " " + component.getName());
            }
        }
        return components;
    }

    private static String typeName(Class<?> type) {
        // A list stands for its count, a boolean for 0 or 1.
        return type == String.class ? "text" : type == double.class ? "fraction" : "number";
    }

    static String camelCase(String name) {
        String[] words = name.split("_");
        StringBuilder camel = new StringBuilder(words[0]);
        for (int i = 1; i < words.length; i++) {
            camel.append(Character.toUpperCase(words[i].charAt(0))).append(words[i].substring(1));
        }
        return camel.toString();
    }

    /** The numbers of the constants whose names begin so, by the rest of the names. */
    private static Map<String, Integer> constants(String prefix) {
        Map<String, Integer> constants = new LinkedHashMap<>();
        Matcher matcher = Pattern.compile("(?m)^#define ARROWREDIS_" + prefix + "(\\w+) (\\d+)$")
                .matcher(HEADER);
        while (matcher.find()) {
            constants.put(matcher.group(1), Integer.parseInt(matcher.group(2)));
        }
        return constants;
    }

    @Test
    void everyCodeIsAnException() {
        Map<String, Integer> declared = constants("");
        declared.keySet().removeIf(name -> name.matches("OK|ABI_VERSION|OPTIONS_.*|LOG_.*"));
        Map<String, Integer> bound = new LinkedHashMap<>();
        for (ErrorCode code : ErrorCode.values()) {
            bound.put(code.name(), code.number());
            assertEquals(code.name(), Native.text(CFunction.CODE_NAME, code.number()));
            String subclass = io.arrowredis.ArrowRedisException.of(code, "text")
                    .getClass()
                    .getSimpleName();
            assertEquals(code.name().replace("_", "").toLowerCase(), subclass.toLowerCase());
        }
        assertEquals(declared, bound);
        assertEquals(ErrorCode.INTERNAL, ErrorCode.of(4711));
    }

    @Test
    void everyKindOfOptionsIsThere() {
        Map<String, Integer> bound = new LinkedHashMap<>();
        for (Options.Kind kind : Options.Kind.values()) {
            bound.put(kind.name(), kind.number());
            assertEquals(kind.name().toLowerCase(), kind.key());
        }
        assertEquals(constants("OPTIONS_"), bound);
    }

    @Test
    void everyLevelHasALogger() {
        Map<String, Integer> levels = Map.of("OFF", 0, "ERROR", 1, "WARN", 2, "INFO", 3, "DEBUG", 4, "TRACE", 5);
        assertEquals(levels, constants("LOG_"));
    }

    @Test
    void theVersionsAreTheSame() {
        assertEquals(
                Native.call(CFunction.ABI_VERSION), (long) constants("ABI_").get("VERSION"));
        Matcher cargo = Pattern.compile("(?m)^version = \"(.*)\"$").matcher(read(Programs.ROOT.resolve("Cargo.toml")));
        Matcher maven = Pattern.compile("<version>(.*)</version>")
                .matcher(read(Programs.ROOT.resolve("bindings/java/pom.xml")));
        assertTrue(cargo.find() && maven.find());
        assertEquals(cargo.group(1), maven.group(1));
        assertEquals(cargo.group(1), io.arrowredis.ArrowRedis.version());
    }
}
