"""Uploads the symbols of Python's standard library to scopegate."""

import argparse
import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import scopes
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value
from steady import SteadyUploader
from symdb.v1.scope_pb2 import LanguageSpecifics, Scope
from symdb.v1.symbol_database_service_pb2 import UploadMetadata
from upload import Uploader, UploadError, open_channel


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="127.0.0.1:50051", help="host:port of the server")
    parser.add_argument("--service", default="interop-python")
    parser.add_argument("--sent", type=Path, help="write each scope there, as a line of JSON")
    parser.add_argument("--golden", type=Path, help="upload this Python file instead")
    parser.add_argument("--replay", type=Path, help="upload scopes from lines of JSON instead")
    parser.add_argument("--deadline", type=float, default=900, help="seconds")
    parser.add_argument("--max-message-bytes", type=int, default=1 << 20)
    parser.add_argument("--open-ended", choices=["true"], help="send scopes as if they turned up over time")
    parser.add_argument("--gzip", action="store_true", help="compress messages")
    parser.add_argument("--cancel-after", type=int, default=0, help="cancel after that many scopes")
    parser.add_argument("--cancel-at", type=float, default=0, help="cancel after that many seconds")
    return parser.parse_args()


def to_proto(scope: dict) -> Scope:
    """A dict's keys are the message's fields. What is None is left unset."""
    fields = {**scope, "scopes": [to_proto(inner) for inner in scope.get("scopes", ())]}
    fields["symbols"] = [with_specifics(symbol) for symbol in scope.get("symbols", ())]
    return Scope(**with_specifics(fields))


def with_specifics(fields: dict) -> dict:
    """Keys that LanguageSpecifics has no field for travel in its open map."""
    if "language_specifics" not in fields:
        return fields
    known, additional = {}, {}
    for key, value in fields["language_specifics"].items():
        if key in LanguageSpecifics.DESCRIPTOR.fields_by_name:
            known[key] = value
        else:
            additional[key] = ParseDict(value, Value())
    return {**fields, "language_specifics": LanguageSpecifics(**known, additional=additional)}


class Source:
    """The scopes to upload: the same each time that they are asked for."""

    def __init__(self, args: argparse.Namespace, cancel):
        self._args = args
        self._cancel = cancel
        self._sent = args.sent.open("w", encoding="utf-8") if args.sent else None
        self.count = 0

    def find(self) -> Iterator[dict]:
        if self._args.golden:
            return scopes.of_file(self._args.golden, self._args.golden.stem)
        if self._args.replay:
            return map(json.loads, self._args.replay.open(encoding="utf-8"))
        return scopes.of_standard_library()

    def __call__(self) -> Iterator[Scope]:
        for index, scope in enumerate(self.find(), 1):
            if index > self.count:
                self.count = index
                if self._sent:
                    print(json.dumps(scope), file=self._sent, flush=True)
            yield to_proto(scope)
            if index == self._args.cancel_after:
                self._cancel()


def main() -> int:
    args = arguments()
    compression = grpc.Compression.Gzip if args.gzip else grpc.Compression.NoCompression
    with open_channel(args.target, compression) as channel:
        metadata = UploadMetadata(
            service=args.service, env="interop", version="1.0", language="python", ddsource="python",
            tags=["git.commit.sha:12ab", "team:interop"], container_id="interop-container", entity_id="ci-interop",
            external_env="it-false,cn-interop", parent_id="interop-parent",
            additional={"schema_version": Value(number_value=1)},
        )
        kind = SteadyUploader if args.open_ended else Uploader
        uploader = kind(channel, metadata, deadline=args.deadline, max_message_bytes=args.max_message_bytes)
        source = Source(args, uploader.cancel)
        result = {"status": "OK", "reason": "", "field": ""}
        began = time.monotonic()
        if args.cancel_at:
            threading.Timer(args.cancel_at, uploader.cancel).start()
        try:
            if args.open_ended:
                found = source()
                while some := list(itertools.islice(found, 50)):
                    uploader.send(some)
            else:
                result["scope_count"] = uploader.upload(source).scope_count
        except UploadError as error:
            print(error, file=sys.stderr)
            result |= {"status": error.code.name, "reason": error.reason, "field": error.field}
        except ValueError as error:  # of the lines of JSON
            print(error, file=sys.stderr)
            result["status"] = "SOURCE_FAILED"
        result |= {
            "upload_id": uploader.metadata.upload_id, "scopes": source.count,
            "messages": uploader.message_count, "streams": uploader.stream_count,
            "seconds": round(time.monotonic() - began, 3),
        }
    print(json.dumps(result))
    return 0 if result["status"] == "OK" else 1


if __name__ == "__main__":
    sys.exit(main())
