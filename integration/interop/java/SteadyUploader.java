import io.grpc.Channel;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;
import symdb.v1.ScopeOuterClass.Scope;
import symdb.v1.SymbolDatabaseServiceOuterClass.UploadMetadata;
import symdb.v1.SymbolDatabaseServiceOuterClass.UploadProgress;

/**
 * Uploads scopes bit by bit, for a tracer that sends classes as they load: one upload in streams that
 * are one batch each. Scopes are held until their stream is accepted, and the newest one until there
 * is another or the end, because the last stream needs one; except {@link #withOpenEnd}.
 *
 * <p>Not safe for concurrent use: one thread adds, from a queue that the program's threads fill.
 */
final class SteadyUploader {
    private static final int BATCH_BYTES = 1 << 20;
    private static final Duration STREAM_DEADLINE = Duration.ofMinutes(5);
    private static final Pattern ORDINAL = Pattern.compile("scope\\[(\\d+)]");

    private final Channel channel;
    private final UploadMetadata metadata;
    private final List<Scope> held = new ArrayList<>();
    private long heldBytes;
    private int batchNum = 1;
    private int heldBack = 1; // the newest, for the last stream needs a scope

    /** Counted for those who want to know. */
    int streamCount;

    int messageCount;

    SteadyUploader(Channel channel, UploadMetadata.Builder metadata) {
        this.channel = channel;
        this.metadata = metadata.setUploadId(UUID.randomUUID().toString()).setSingleBatch(true).build();
    }

    /**
     * Makes the upload open-ended, as that of a process in which classes load for as long as it lives: it
     * has no final batch, and no scope is held back for one. The process may end at any time.
     */
    SteadyUploader withOpenEnd() {
        heldBack = 0;
        return this;
    }

    String uploadId() {
        return metadata.getUploadId();
    }

    /** Takes a scope, and sends those before it when they are enough for a batch. */
    void add(Scope scope) throws Uploader.UploadException, InterruptedException {
        if (heldBytes >= BATCH_BYTES) {
            flush();
        }
        Uploader.split(scope, BATCH_BYTES).forEach(part -> {
            held.add(part);
            heldBytes += part.getSerializedSize();
        });
    }

    /** Sends all but the scope held back. To be called now and then, when no scope turned up. */
    void flush() throws Uploader.UploadException, InterruptedException {
        while (held.size() > heldBack) {
            send(held.size() - heldBack, true);
        }
    }

    /** Sends the rest, and ends the upload if it has an end. */
    void finish() throws Uploader.UploadException, InterruptedException {
        flush();
        if (!held.isEmpty()) {
            send(1, false);
        }
    }

    /** Sends the oldest scopes, perhaps not all of them, until they are accepted. */
    private void send(int count, boolean moreFollows) throws Uploader.UploadException, InterruptedException {
        for (int failures = 0; ; failures++) {
            var stream = metadata.toBuilder().setFirstBatchNum(batchNum).setMoreFollows(moreFollows);
            try {
                streamCount++;
                new Uploader(channel, stream).withDeadline(STREAM_DEADLINE).send(held.subList(0, count).stream());
                accept(count);
                return;
            } catch (Uploader.UploadException e) {
                if (isAccepted(e, count)) {
                    accept(count);
                    return;
                } else if (e.reason().equals("BATCH_TOO_LARGE") && count > 1) {
                    count /= 2; // nothing of a refused batch was forwarded: its number is free
                } else if (e.field().startsWith("scope[") && (count > 1 || moreFollows)) {
                    remove(ordinal(e), 1); // the server refuses it, whatever is sent with it
                    if (--count == 0) {
                        return;
                    }
                } else if (!e.passes() && e.code() != Status.Code.DEADLINE_EXCEEDED) {
                    throw e;
                } else {
                    // The same once more: a batch that came already is known by its number.
                    long spread = Math.min(30_000, 200L << Math.min(failures, 10));
                    Thread.sleep(e.retryDelayMillis() + ThreadLocalRandom.current().nextLong(spread));
                }
            }
        }
    }

    /** Whether the batch came through, and only the server's answer was lost. */
    private boolean isAccepted(Uploader.UploadException e, int count) {
        return e.detail(UploadProgress.class)
                .filter(progress -> progress.getUploadId().equals(uploadId()))
                .filter(progress -> progress.getAcceptedScopeCount() == count)
                .isPresent();
    }

    private static int ordinal(Uploader.UploadException e) throws Uploader.UploadException {
        var matcher = ORDINAL.matcher(e.field());
        if (!matcher.lookingAt()) {
            throw e;
        }
        return Integer.parseInt(matcher.group(1));
    }

    private void accept(int count) {
        messageCount += count;
        batchNum++;
        remove(0, count);
    }

    private void remove(int from, int count) {
        var gone = held.subList(from, from + count);
        heldBytes -= gone.stream().mapToLong(Scope::getSerializedSize).sum();
        gone.clear();
    }
}
