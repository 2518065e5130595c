package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.arrowredis.ArrowRedis;
import io.arrowredis.ArrowRedisException;
import io.arrowredis.Context;
import io.arrowredis.ErrorCode;
import io.arrowredis.FileReadOptions;
import io.arrowredis.GenerateOptions;
import io.arrowredis.S3Options;
import io.arrowredis.SplitOptions;
import io.arrowredis.Store;
import io.arrowredis.VerifyOptions;
import io.arrowredis.VerifySide;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Files on S3 take the place of local ones. */
@ExtendWith(Leaks.class)
class S3Test {
    private static final String ACCESS_KEY = "TESTACCESSKEY";
    private static final String SECRET_KEY = "test/secret+key";

    @TempDir
    Path folder;

    private static Process start(Path folder, int port, String region) throws IOException, InterruptedException {
        Files.createDirectories(folder.resolve("data/datasets"));
        Files.createDirectories(folder.resolve("data/my-bucket"));
        Files.createDirectories(folder.resolve("meta"));
        String program = Programs.ROOT.resolve(".tools/versitygw").toString();
        Process process = new ProcessBuilder(List.of(
                        program,
                        "--port=127.0.0.1:" + port,
                        "--access=" + ACCESS_KEY,
                        "--secret=" + SECRET_KEY,
                        "--region=" + region,
                        "--quiet",
                        "posix",
                        "--sidecar=" + folder.resolve("meta"),
                        folder.resolve("data").toString()))
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        while (!listens(port)) {
            assertTrue(process.isAlive(), "versitygw does not start");
            TimeUnit.MILLISECONDS.sleep(20);
        }
        return process;
    }

    private static boolean listens(int port) {
        try (Socket socket = new Socket("127.0.0.1", port)) {
            return socket.isConnected();
        } catch (IOException e) {
            return false;
        }
    }

    private static URI url(String key, String endpoint) {
        String query = "endpoint_url=" + encoded(endpoint) + "&aws_access_key=" + ACCESS_KEY + "&aws_secret_key="
                + encoded(SECRET_KEY);
        return URI.create("s3://datasets/" + key + "?" + query);
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    @Test
    void filesOnS3TakeThePlaceOfLocalOnes() throws IOException, InterruptedException {
        int port = RedisServer.freePort();
        Process server = start(folder, port, "us-east-1");
        try (Store store = Store.open("memory://s3")) {
            String endpoint = "http://127.0.0.1:" + port;
            Path file = folder.resolve("f.arrow");
            GenerateOptions shape =
                    new GenerateOptions().partitions(2).batches(2).rows(100);
            assertEquals(400, ArrowRedis.generateFile(file, shape).rows());
            S3Options options = new S3Options()
                    .endpointUrl(endpoint)
                    .awsAccessKey(ACCESS_KEY)
                    .awsSecretKey(SECRET_KEY);
            URI plain = URI.create("s3://datasets/f.arrow");
            assertEquals(
                    Files.size(file),
                    ArrowRedis.uploadFile(file, plain, options, new Context()).payloadBytes());

            URI remote = url("f.arrow", endpoint);
            FileReadOptions ids = new FileReadOptions().columns("id64");
            assertEquals(
                    Datasets.ids(ArrowRedis.readFile(file, ids)),
                    Datasets.ids(ArrowRedis.readFile(remote, ids, new Context())));
            assertEquals(
                    400,
                    store.splitFile("p", remote, new SplitOptions(), new Context())
                            .metrics()
                            .rows());
            try (VerifySide left = VerifySide.of(file);
                    VerifySide right = VerifySide.of(remote, new FileReadOptions())) {
                assertTrue(ArrowRedis.verify(left, right, new VerifyOptions(), new Context())
                        .identical());
            }
            ArrowRedisException missing = assertThrows(
                    ArrowRedisException.class,
                    () -> ArrowRedis.readFile(url("none", endpoint), new FileReadOptions(), new Context()));
            assertEquals(ErrorCode.NOT_FOUND, missing.code());
            ArrowRedisException wrong = assertThrows(
                    ArrowRedisException.class,
                    () -> ArrowRedis.uploadFile(file, plain, options.awsSecretKey("wrong"), new Context()));
            assertEquals(ErrorCode.PERMISSION_DENIED, wrong.code());
        } finally {
            server.destroyForcibly().waitFor();
        }
    }

    @Test
    void theProgramOfTheDocsRuns() throws IOException, InterruptedException {
        Matcher block =
                Pattern.compile("(?s)```java\n(.*?)```").matcher(Files.readString(Programs.ROOT.resolve("docs/s3.md")));
        assertTrue(block.find());
        int port = RedisServer.freePort();
        Process server = start(folder, port, "eu-west-1");
        try {
            String endpoint = "http://127.0.0.1:" + port;
            Path file = folder.resolve("demo.arrow");
            ArrowRedis.generateFile(
                    file, new GenerateOptions().partitions(3).batches(1).rows(70));
            S3Options options = new S3Options()
                    .endpointUrl(endpoint)
                    .awsRegion("eu-west-1")
                    .awsAccessKey(ACCESS_KEY)
                    .awsSecretKey(SECRET_KEY);
            ArrowRedis.uploadFile(file, URI.create("s3://my-bucket/demo.arrow"), options, new Context());

            Path program = Files.writeString(folder.resolve("Demo.java"), block.group(1));
            List<String> flags = new ArrayList<>(Programs.nativeAccess());
            flags.add("--add-opens=java.base/java.nio=ALL-UNNAMED");
            List<String> command = Programs.java(flags, "", ChildMain.class);
            // A source file in place of the class is compiled and run.
            command.set(command.size() - 1, program.toString());
            Programs.Outcome outcome = Programs.tryToRun(
                    command,
                    Map.of(
                            "AWS_ENDPOINT_URL",
                            endpoint,
                            "AWS_ACCESS_KEY_ID",
                            ACCESS_KEY,
                            "AWS_SECRET_ACCESS_KEY",
                            SECRET_KEY));
            assertEquals(0, outcome.status(), outcome.output());
            assertEquals(2, outcome.output().lines().filter("70 rows"::equals).count(), outcome.output());
        } finally {
            server.destroyForcibly().waitFor();
        }
    }
}
