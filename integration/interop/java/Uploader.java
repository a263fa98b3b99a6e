import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.Durations;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.MetadataUtils;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import java.util.stream.Stream;
import symdb.v1.ScopeOuterClass.Scope;
import symdb.v1.SymbolDatabaseServiceGrpc;
import symdb.v1.SymbolDatabaseServiceOuterClass.UploadMetadata;
import symdb.v1.SymbolDatabaseServiceOuterClass.UploadProgress;
import symdb.v1.SymbolDatabaseServiceOuterClass.UploadScopesRequest;
import symdb.v1.SymbolDatabaseServiceOuterClass.UploadScopesResponse;

/**
 * Uploads scopes to scopegate, in as many streams as it takes: the part that a tracer would copy.
 *
 * <pre>{@code
 * var channel = Uploader.openChannel("127.0.0.1:50051");
 * var metadata = UploadMetadata.newBuilder().setService("shop").setLanguage("JAVA");
 * new Uploader(channel, metadata).upload(() -> findScopes());
 * }</pre>
 *
 * <p>Make a new Uploader, with metadata of its own, for each upload.
 */
final class Uploader {
    private static final int MAX_ATTEMPTS = 8;
    private static final String UNWANTED = "the upload is not wanted any more";

    private final Channel channel;
    private final UploadMetadata.Builder metadata;
    private Duration deadline = Duration.ofMinutes(15);
    private long endsAt;
    private int maxMessageBytes = 1 << 20;
    private final CountDownLatch cancelled = new CountDownLatch(1);
    private volatile Answer answer; // of the newest stream, once it can be cancelled
    private long sent;

    /** Counted for those who want to know. */
    int streamCount;

    int messageCount;

    Uploader(Channel channel, UploadMetadata.Builder metadata) {
        this.channel = channel;
        this.metadata = metadata;
        if (metadata.getUploadId().isEmpty()) {
            metadata.setUploadId(UUID.randomUUID().toString());
        }
    }

    /** Connects in the background. To be shut down by the caller. */
    static ManagedChannel openChannel(String target) {
        return ManagedChannelBuilder.forTarget(target)
                .usePlaintext()
                .disableRetry() // the library's own retries know nothing of batches
                .keepAliveTime(30, TimeUnit.SECONDS)
                .keepAliveTimeout(10, TimeUnit.SECONDS)
                .build();
    }

    /** Sets what the whole upload may take once it begins. 15 minutes by default. */
    Uploader withDeadline(Duration deadline) {
        this.deadline = deadline;
        return this;
    }

    Uploader withMaxMessageBytes(int bytes) {
        maxMessageBytes = bytes;
        return this;
    }

    String uploadId() {
        return metadata.getUploadId();
    }

    /** What the response header says the upload's id is, once there is one. */
    Optional<String> headerUploadId() {
        var headers = answer.headers.get();
        var key = Metadata.Key.of("scopegate-upload-id", Metadata.ASCII_STRING_MARSHALLER);
        return Optional.ofNullable(headers).map(present -> present.get(key));
    }

    /**
     * Sends the scopes, and returns when the intake has them all.
     *
     * <p>Where a stream fails, the supplier is asked again: it must supply the same scopes each time.
     * In return nothing is held here. Blocks while the intake is slow, so call it from a thread that
     * may.
     */
    UploadScopesResponse upload(Supplier<Stream<Scope>> scopes) throws UploadException, InterruptedException {
        endsAt = System.nanoTime() + deadline.toNanos();
        long accepted = 0;
        for (int failures = 0; ; ) {
            try {
                return stream(scopes.get(), accepted);
            } catch (UploadException e) {
                if (!e.passes()) {
                    throw e;
                }
                var known = e.detail(UploadProgress.class);
                var progress = known.orElseGet(UploadProgress::getDefaultInstance);
                if (progress.getUploadId().equals(metadata.getUploadId()) && progress.getAcceptedScopeCount() < sent) {
                    // It is known how far the stream came: the next one goes on there.
                    accepted += progress.getAcceptedScopeCount();
                    metadata.setFirstBatchNum(progress.getNextBatchNum());
                    failures = progress.getAcceptedScopeCount() > 0 ? 0 : failures + 1;
                } else if (sent == 0 || known.isPresent() && progress.getUploadId().isEmpty()) {
                    // No scope was sent, or the server has read nothing: send the same again.
                    failures++;
                } else {
                    // It is not: start over, as another upload.
                    accepted = 0;
                    failures++;
                    metadata.setUploadId(UUID.randomUUID().toString()).clearFirstBatchNum();
                }
                long spread = Math.min(30_000, 200L << Math.min(failures, 10));
                long waitMillis = e.retryDelayMillis() + ThreadLocalRandom.current().nextLong(spread);
                if (failures >= MAX_ATTEMPTS || System.nanoTime() + waitMillis * 1_000_000 >= endsAt) {
                    throw e;
                }
                if (cancelled.await(waitMillis, TimeUnit.MILLISECONDS)) {
                    throw new UploadException(Status.CANCELLED.withDescription(UNWANTED).asException());
                }
            }
        }
    }

    /** Sends the scopes once, as the metadata says, and returns when the intake has them. */
    UploadScopesResponse send(Stream<Scope> scopes) throws UploadException, InterruptedException {
        endsAt = System.nanoTime() + deadline.toNanos();
        return stream(scopes, 0);
    }

    /** Breaks the upload off, from any thread, also between two streams. It never gets a final batch. */
    void cancel() {
        cancelled.countDown();
        var current = answer;
        if (current != null) {
            current.requests.cancel(UNWANTED, null);
        }
    }

    private UploadScopesResponse stream(Stream<Scope> scopes, long accepted)
            throws UploadException, InterruptedException {
        sent = 0;
        streamCount++;
        var current = new Answer();
        SymbolDatabaseServiceGrpc.newStub(channel)
                .withDeadlineAfter(endsAt - System.nanoTime(), TimeUnit.NANOSECONDS)
                .withInterceptors(MetadataUtils.newCaptureMetadataInterceptor(current.headers, current.trailers))
                .uploadScopes(current);
        answer = current;
        if (cancelled.getCount() == 0) {
            cancel(); // it was cancelled when there was no such stream yet
        }
        try (scopes) {
            current.send(UploadScopesRequest.newBuilder().setMetadata(metadata).build());
            var messages = scopes.flatMap(scope -> split(scope, maxMessageBytes)).skip(accepted).iterator();
            while (messages.hasNext() && current.send(UploadScopesRequest.newBuilder().setScope(messages.next()).build())) {
                sent++;
                messageCount++;
            }
        } catch (RuntimeException | InterruptedException e) {
            cancel(); // what is cut short must not get a final batch
            throw e;
        }
        return current.await();
    }

    /** One stream: it is written to while it is ready, and its answer is waited for. */
    private static final class Answer implements ClientResponseObserver<UploadScopesRequest, UploadScopesResponse> {
        final AtomicReference<Metadata> headers = new AtomicReference<>();
        final AtomicReference<Metadata> trailers = new AtomicReference<>();
        ClientCallStreamObserver<UploadScopesRequest> requests;
        private UploadScopesResponse summary;
        private Throwable failure;
        private boolean whole; // all requests are sent
        private boolean closed;

        @Override
        public void beforeStart(ClientCallStreamObserver<UploadScopesRequest> stream) {
            requests = stream;
            stream.setOnReadyHandler(this::wake);
        }

        /**
         * Sends a request when there is room for it, and returns whether the stream goes on. onNext
         * alone never blocks: without this, a slow server fills the client's memory.
         */
        synchronized boolean send(UploadScopesRequest request) throws InterruptedException {
            while (!closed && !requests.isReady()) {
                wait();
            }
            if (!closed) {
                requests.onNext(request);
            }
            return !closed;
        }

        synchronized UploadScopesResponse await() throws UploadException, InterruptedException {
            if (!closed) {
                whole = true;
                requests.onCompleted();
            }
            while (!closed) {
                wait();
            }
            if (failure != null) {
                throw new UploadException(failure);
            }
            return summary;
        }

        private synchronized void wake() {
            notifyAll();
        }

        @Override
        public synchronized void onNext(UploadScopesResponse response) {
            summary = response;
        }

        @Override
        public synchronized void onError(Throwable error) {
            failure = error;
            closed = true;
            notifyAll();
        }

        @Override
        public synchronized void onCompleted() {
            if (!whole || summary == null) {
                failure = Status.INTERNAL.withDescription("the server answered before the end of the upload").asException();
            }
            closed = true;
            notifyAll();
        }
    }

    /** How an upload failed: a gRPC code, and the details of the status. */
    static final class UploadException extends Exception {
        private final transient com.google.rpc.Status status;

        UploadException(Throwable cause) {
            super(cause.getMessage(), cause);
            status = StatusProto.fromThrowable(cause);
        }

        Status.Code code() {
            return Status.fromThrowable(getCause()).getCode();
        }

        <T extends Message> Optional<T> detail(Class<T> type) {
            for (Any detail : status.getDetailsList()) {
                if (detail.is(type)) {
                    try {
                        return Optional.of(detail.unpack(type));
                    } catch (InvalidProtocolBufferException e) {
                        return Optional.empty();
                    }
                }
            }
            return Optional.empty();
        }

        String reason() {
            return detail(ErrorInfo.class).map(ErrorInfo::getReason).orElse("");
        }

        /** The field that the server found wrong, such as scope[17].name. */
        String field() {
            return detail(BadRequest.class)
                    .filter(request -> request.getFieldViolationsCount() > 0)
                    .map(request -> request.getFieldViolations(0).getField())
                    .orElse("");
        }

        long retryDelayMillis() {
            return detail(RetryInfo.class).map(info -> Durations.toMillis(info.getRetryDelay())).orElse(0L);
        }

        /** Whether the same upload may succeed later. */
        boolean passes() {
            return code() == Status.Code.UNAVAILABLE
                    || code() == Status.Code.RESOURCE_EXHAUSTED && reason().equals("OVERLOADED");
        }
    }

    /**
     * A root that is too large for a message, as several: the backend merges them. Each has some of
     * the children, or of what they have split into. A scope's symbols go with its first part. What
     * has no children stays as it is.
     */
    static Stream<Scope> split(Scope scope, int maxBytes) {
        if (scope.getSerializedSize() <= maxBytes || scope.getScopesCount() == 0) {
            return Stream.of(scope);
        }
        var parts = Stream.<Scope>builder();
        var part = scope.toBuilder().clearScopes();
        var bare = part.clone().clearSymbols().build();
        int size = part.build().getSerializedSize();
        int maxPieceBytes = maxBytes - bare.getSerializedSize() - 6;
        var pieces = scope.getScopesList().stream().flatMap(child -> split(child, maxPieceBytes)).iterator();
        while (pieces.hasNext()) {
            var piece = pieces.next();
            if (part.getScopesCount() > 0 && size + piece.getSerializedSize() > maxBytes) {
                parts.add(part.build());
                part = bare.toBuilder();
                size = bare.getSerializedSize();
            }
            part.addScopes(piece);
            size += piece.getSerializedSize() + 6;
        }
        return parts.add(part.build()).build();
    }
}
