"""Uploads scopes as they turn up, for a tracer that sends modules as they are imported.

    uploader = SteadyUploader(channel, UploadMetadata(service="shop", language="python"))
    while scopes := wait_for_scopes():  # on a thread of its own
        uploader.send(scopes)
"""

import random
import re
import time
from collections.abc import Iterable

import grpc
from symdb.v1.scope_pb2 import Scope
from symdb.v1.symbol_database_service_pb2 import UploadMetadata
from upload import Uploader, UploadError, split


class SteadyUploader(Uploader):
    """One open-ended upload: it has no final batch, so the process may end at any time.

    deadline is what one attempt at a batch may take, in seconds.
    """

    def __init__(self, channel: grpc.Channel, metadata: UploadMetadata, *,
                 deadline: float = 300, max_message_bytes: int = 1 << 20):
        super().__init__(channel, metadata, deadline=deadline, max_message_bytes=max_message_bytes)
        metadata.single_batch = metadata.more_follows = True
        metadata.first_batch_num = 1

    def send(self, scopes: Iterable[Scope]) -> None:
        """Sends scopes, a few MiB at most, and returns when the intake has them.

        Until then they are held. A stream is exactly one batch, so it can be sent
        again as it was: the backend drops a batch that it has. A scope that the
        server refuses is left out.
        """
        held = [part for scope in scopes for part in split(scope, self._max_message_bytes)]
        count, failures = len(held), 0
        while held:
            self._ends_at = time.monotonic() + self._deadline
            try:
                self._stream(iter(held[:count]))
            except UploadError as error:
                refused = re.match(r"scope\[(\d+)]", error.field)
                if refused:
                    del held[int(refused[1])]
                elif error.reason == "BATCH_TOO_LARGE" and count > 1:
                    count //= 2
                elif error.passes or error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
                    failures += 1
                    self._cancelled.wait(error.retry_delay + random.uniform(0, min(30, 0.2 * 2 ** min(failures, 10))))
                else:
                    raise
            else:
                del held[:count]
                self.metadata.first_batch_num += 1
                failures = 0
