"""Uploads scopes to scopegate: the part that a tracer would copy.

    with open_channel("127.0.0.1:50051") as channel:
        Uploader(channel, UploadMetadata(service="shop", language="python")).upload(find_scopes)
"""

import itertools
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from symdb.v1 import symbol_database_service_pb2 as symdb
from symdb.v1.scope_pb2 import Scope
from symdb.v1.symbol_database_service_pb2_grpc import SymbolDatabaseServiceStub

DETAILS = (
    error_details_pb2.ErrorInfo, error_details_pb2.RetryInfo, error_details_pb2.BadRequest,
    symdb.UploadProgress, symdb.IntakeFailure,
)


def open_channel(target: str, compression: grpc.Compression = grpc.Compression.NoCompression) -> grpc.Channel:
    """Open it after a fork, never before: gRPC's threads do not survive one.

    Compression.Gzip pays where the link is slow: docs/tracers.md.
    """
    return grpc.insecure_channel(target, compression=compression, options=[
        ("grpc.enable_retries", 0),  # the library's own retries know nothing of batches
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
    ])


class UploadError(Exception):
    """How an upload failed: a gRPC code, and the details of the status."""

    def __init__(self, code: grpc.StatusCode, message: str, trailing_metadata: Iterable[tuple] = ()):
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self._details: dict[type, Message] = {}
        for key, value in trailing_metadata:
            if key == "grpc-status-details-bin":
                for packed in status_pb2.Status.FromString(value).details:
                    for kind in DETAILS:
                        if packed.Is(kind.DESCRIPTOR):
                            self._details[kind] = kind.FromString(packed.value)

    def detail(self, kind: type) -> Message:
        """The detail of that type; an empty one where the status has none."""
        return self._details.get(kind) or kind()

    @property
    def reason(self) -> str:
        return self.detail(error_details_pb2.ErrorInfo).reason

    @property
    def field(self) -> str:
        """The field that the server found wrong, such as scope[17].name."""
        violations = self.detail(error_details_pb2.BadRequest).field_violations
        return violations[0].field if violations else ""

    @property
    def progress(self) -> symdb.UploadProgress | None:
        """How far the stream came; None where that is not known."""
        return self._details.get(symdb.UploadProgress)

    @property
    def retry_delay(self) -> float:
        return self.detail(error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() / 1000

    @property
    def passes(self) -> bool:
        """Whether the same upload may succeed later."""
        overloaded = self.code is grpc.StatusCode.RESOURCE_EXHAUSTED and self.reason == "OVERLOADED"
        return self.code is grpc.StatusCode.UNAVAILABLE or overloaded


class Uploader:
    """One upload, in as many streams as it takes.

    deadline is what the whole upload may take, in seconds, once it begins. Make a new
    Uploader, with metadata of its own, for each upload.
    """

    def __init__(self, channel: grpc.Channel, metadata: symdb.UploadMetadata, *,
                 deadline: float = 900, max_attempts: int = 8, max_message_bytes: int = 1 << 20):
        self.metadata = metadata
        self.metadata.upload_id = self.metadata.upload_id or str(uuid.uuid4())
        self.stream_count = 0
        self.message_count = 0
        self._stub = SymbolDatabaseServiceStub(channel)
        self._deadline = deadline
        self._max_attempts = max_attempts
        self._max_message_bytes = max_message_bytes
        self._call: grpc.Future | None = None
        self._cancelled = threading.Event()

    def upload(self, scopes: Callable[[], Iterable[Scope]]) -> symdb.UploadScopesResponse:
        """Sends what scopes() yields, and returns when the intake has it all.

        Where a stream fails, scopes() is called again: it must yield the same each
        time. In return nothing is held here. Blocks while the intake is slow, so
        call it from a thread that may.
        """
        accepted = failures = 0
        self._ends_at = time.monotonic() + self._deadline
        while True:
            messages = (part for scope in scopes() for part in split(scope, self._max_message_bytes))
            try:
                return self._stream(itertools.islice(messages, accepted, None))
            except UploadError as error:
                if not error.passes:
                    raise
                progress = error.progress or symdb.UploadProgress()
                if progress.upload_id == self.metadata.upload_id and progress.accepted_scope_count < self._sent:
                    # It is known how far the stream came: the next one goes on there.
                    accepted += progress.accepted_scope_count
                    self.metadata.first_batch_num = progress.next_batch_num
                    failures = 0 if progress.accepted_scope_count else failures + 1
                elif self._sent == 0 or (error.progress and not progress.upload_id):
                    # No scope was sent, or the server has read nothing: send the same again.
                    failures += 1
                else:
                    # It is not: start over, as another upload.
                    accepted, failures = 0, failures + 1
                    self.metadata.upload_id, self.metadata.first_batch_num = str(uuid.uuid4()), 0
                wait = error.retry_delay + random.uniform(0, min(30, 0.2 * 2**failures))
                if failures >= self._max_attempts or time.monotonic() + wait >= self._ends_at:
                    raise
                if self._cancelled.wait(wait):
                    raise UploadError(grpc.StatusCode.CANCELLED, "the upload was cancelled") from None

    def cancel(self) -> None:
        """Breaks the upload off, from any thread, also between two streams. It never gets a final batch."""
        self._cancelled.set()
        if self._call:
            self._call.cancel()

    def _stream(self, messages: Iterator[Scope]) -> symdb.UploadScopesResponse:
        whole, sent = False, 0
        failed: list[Exception] = []

        def requests() -> Iterator[symdb.UploadScopesRequest]:
            nonlocal whole, sent
            yield symdb.UploadScopesRequest(metadata=self.metadata)
            try:
                for message in messages:
                    sent += 1
                    yield symdb.UploadScopesRequest(scope=message)
                    self.message_count += 1
                whole = True
            except Exception as error:  # gRPC would swallow it, and cancel the call
                failed.append(error)
                raise

        self.stream_count += 1
        # gRPC asks for the next request when the one before is on its way: a slow
        # server holds the generator back, and memory stays flat.
        self._call = self._stub.UploadScopes.future(requests(), timeout=self._ends_at - time.monotonic())
        if self._cancelled.is_set():  # perhaps before there was this call
            self._call.cancel()
        try:
            summary = self._call.result()
        except grpc.FutureCancelledError:
            raise UploadError(grpc.StatusCode.CANCELLED, "the upload was cancelled") from None
        except grpc.RpcError as error:
            ended = UploadError(error.code(), error.details(), error.trailing_metadata() or ())
            raise (failed or [ended])[0] from None
        finally:
            self._sent = sent  # a generator may outlive its stream: it must not count for the next one
        if not whole or summary is None:
            raise UploadError(grpc.StatusCode.INTERNAL, "the server answered before the end of the upload")
        return summary


def split(scope: Scope, max_bytes: int) -> Iterator[Scope]:
    """A root that is too large for a message, as several: the backend merges them.

    Each has some of the children, or of what they have split into. A scope's
    symbols go with its first part. What has no children stays as it is.
    """
    if scope.ByteSize() <= max_bytes or not scope.scopes:
        yield scope
        return
    part, bare = Scope(), Scope()
    part.CopyFrom(scope)
    del part.scopes[:]
    bare.CopyFrom(part)
    del bare.symbols[:]
    size = part.ByteSize()
    for child in scope.scopes:
        for piece in split(child, max_bytes - bare.ByteSize() - 6):
            if part.scopes and size + piece.ByteSize() > max_bytes:
                yield part
                part = Scope()
                part.CopyFrom(bare)
                size = part.ByteSize()
            part.scopes.append(piece)
            size += piece.ByteSize() + 6
    yield part
