import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.protobuf.Value;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import symdb.v1.ScopeOuterClass.Scope;
import symdb.v1.SymbolDatabaseServiceOuterClass.UploadMetadata;

/** Uploads the symbols of the JDK to scopegate. */
final class Produce {
    private static final Gson GSON = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

    private static final String USAGE = """
            Options:
              --target HOST:PORT     the server (127.0.0.1:50051)
              --service NAME         (interop-java)
              --sent PATH            write each scope there, as a line of JSON
              --golden PACKAGE       upload this package of the class path instead
              --replay PATH          upload scopes from lines of JSON instead
              --deadline SECONDS     (900)
              --max-message-bytes N  (1048576)
              --cancel-after N       cancel after that many scopes
              --cancel-at SECONDS    cancel after that time
              --bit-by-bit true      in streams of one batch each, without a deadline of the whole
              --open-ended true      the same, without a final batch""";

    private final Map<String, String> options;
    private final Uploader uploader;
    private final PrintWriter sentFile;
    private long scopeCount;
    private long index;

    private Produce(Map<String, String> options, Uploader uploader) throws IOException {
        this.options = options;
        this.uploader = uploader;
        var sent = options.get("--sent");
        sentFile = sent == null ? null : new PrintWriter(sent, StandardCharsets.UTF_8);
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        var options = new HashMap<>(Map.of(
                "--target", "127.0.0.1:50051", "--service", "interop-java", "--deadline", "900",
                "--max-message-bytes", "1048576", "--cancel-after", "0"));
        if (args.length % 2 != 0) {
            System.err.println(USAGE);
            System.exit(2);
        }
        for (int i = 0; i < args.length; i += 2) {
            options.put(args[i], args[i + 1]);
        }
        var channel = Uploader.openChannel(options.get("--target"));
        var metadata = UploadMetadata.newBuilder()
                .setService(options.get("--service")).setEnv("interop").setVersion("1.0").setLanguage("JAVA")
                .setEventLanguage("java").setDdsource("java")
                .addTags("git.commit.sha:12ab").addTags("team:interop").setContainerId("interop-container")
                .setEntityId("ci-interop").setExternalEnv("it-false,cn-interop").setParentId("interop-parent")
                .putAdditional("schema_version", Value.newBuilder().setNumberValue(1).build());
        var uploader = new Uploader(channel, metadata)
                .withDeadline(Duration.ofMillis((long) (1000 * Double.parseDouble(options.get("--deadline")))))
                .withMaxMessageBytes(Integer.parseInt(options.get("--max-message-bytes")));
        SteadyUploader steady = null;
        if (options.containsKey("--bit-by-bit")) {
            steady = new SteadyUploader(channel, metadata);
        } else if (options.containsKey("--open-ended")) {
            steady = new SteadyUploader(channel, metadata).withOpenEnd();
        }
        if (options.containsKey("--cancel-at")) {
            new Timer(true).schedule(new TimerTask() {
                @Override
                public void run() {
                    uploader.cancel();
                }
            }, (long) (1000 * Double.parseDouble(options.get("--cancel-at"))));
        }
        var succeeded = new Produce(options, uploader).run(steady);
        channel.shutdown().awaitTermination(2, TimeUnit.SECONDS);
        System.exit(succeeded ? 0 : 1);
    }

    /** Uploads bit by bit where there is a steady uploader, else all at once. */
    private boolean run(SteadyUploader steady) throws InterruptedException {
        var result = new JsonObject();
        result.addProperty("status", "OK");
        long began = System.nanoTime();
        try {
            if (steady == null) {
                result.addProperty("scope_count", uploader.upload(this::scopes).getScopeCount());
            } else {
                for (var scopes = scopes().iterator(); scopes.hasNext(); ) {
                    steady.add(scopes.next());
                }
                steady.finish();
            }
        } catch (Uploader.UploadException e) {
            System.err.println(e.getMessage());
            result.addProperty("status", e.code().name());
            result.addProperty("reason", e.reason());
            result.addProperty("field", e.field());
        } catch (JsonParseException e) {
            System.err.println(e.getMessage());
            result.addProperty("status", "SOURCE_FAILED");
        }
        if (sentFile != null) {
            sentFile.close();
        }
        result.addProperty("upload_id", steady == null ? uploader.uploadId() : steady.uploadId());
        result.addProperty("header_upload_id", steady == null ? uploader.headerUploadId().orElse("") : "");
        result.addProperty("scopes", scopeCount);
        result.addProperty("messages", steady == null ? uploader.messageCount : steady.messageCount);
        result.addProperty("streams", steady == null ? uploader.streamCount : steady.streamCount);
        result.addProperty("seconds", (System.nanoTime() - began) / 1e9);
        System.out.println(GSON.toJson(result));
        return result.get("status").getAsString().equals("OK");
    }

    /** The scopes to upload: the same each time that they are asked for. */
    private Stream<Scope> scopes() {
        index = 0;
        long cancelAfter = Long.parseLong(options.get("--cancel-after"));
        return found().peek(this::record).map(Messages::scope).peek(scope -> {
            if (index == cancelAfter) {
                uploader.cancel();
            }
        });
    }

    private Stream<JsonObject> found() {
        if (options.containsKey("--golden")) {
            return Scopes.ofPackage(options.get("--golden"));
        }
        if (options.containsKey("--replay")) {
            try {
                return Files.lines(Path.of(options.get("--replay")))
                        .map(line -> JsonParser.parseString(line).getAsJsonObject());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return Scopes.ofJdk();
    }

    private void record(JsonObject scope) {
        if (++index > scopeCount) {
            scopeCount = index;
            if (sentFile != null) {
                sentFile.println(GSON.toJson(scope));
            }
        }
    }
}
