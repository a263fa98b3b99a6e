// Uploads scopes to scopegate: the part that a tracer would copy.
//
//   symdb::v1::UploadMetadata metadata;
//   metadata.set_service("shop");
//   metadata.set_language("cpp");
//   Uploader uploader(OpenChannel("127.0.0.1:50051"), metadata);
//   const Outcome outcome = uploader.Upload(FindScopes);

#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include <google/rpc/status.pb.h>
#include <grpcpp/grpcpp.h>

#include "symdb/v1/symbol_database_service.grpc.pb.h"

// Connects in the background. Call it after a fork, never before: gRPC's threads
// do not survive one.
std::shared_ptr<grpc::Channel> OpenChannel(const std::string& target);

// Calls a visitor with one scope after the other, until that returns false.
using Visitor = std::function<bool(const symdb::v1::Scope&)>;
using Source = std::function<void(const Visitor&)>;

// How an upload ended: a summary where status.ok(), else the details of the status.
struct Outcome {
  grpc::Status status;
  symdb::v1::UploadScopesResponse summary;
  google::rpc::Status details;

  // The detail of that type; an empty one where the status has none.
  template <typename Detail>
  Detail detail() const {
    Detail found;
    for (const auto& packed : details.details()) {
      if (packed.UnpackTo(&found)) break;
    }
    return found;
  }
  template <typename Detail>
  bool has() const {
    return std::any_of(details.details().begin(), details.details().end(),
                       [](const auto& packed) { return packed.template Is<Detail>(); });
  }

  std::string reason() const;
  // The field that the server found wrong, such as scope[17].name.
  std::string field() const;
  std::chrono::milliseconds retry_delay() const;
  // Whether the same upload may succeed later.
  bool passes() const;
};

struct UploadOptions {
  std::chrono::milliseconds deadline{900'000};  // of the whole upload, once it begins
  int max_attempts = 8;
  size_t max_message_bytes = 1 << 20;
};

// One upload, in as many streams as it takes. Make a new Uploader for each upload.
class Uploader {
 public:
  Uploader(const std::shared_ptr<grpc::Channel>& channel, symdb::v1::UploadMetadata metadata, UploadOptions options = {});

  // Sends the scopes, and returns when the intake has them all.
  //
  // Where a stream fails, the source is called again: it must give the same scopes
  // each time. In return nothing is held here. Blocks while the intake is slow, so
  // call it from a thread that may.
  Outcome Upload(const Source& scopes);

  // Breaks the upload off, from any thread, also between two streams. It never gets a
  // final batch.
  void Cancel();

  const std::string& upload_id() const { return metadata_.upload_id(); }
  const std::string& header_upload_id() const { return header_upload_id_; }
  int stream_count() const { return stream_count_; }
  int64_t message_count() const { return message_count_; }

 private:
  class Cancellable;
  Outcome Stream(const Source& scopes, int64_t accepted);

  std::unique_ptr<symdb::v1::SymbolDatabaseService::Stub> stub_;
  symdb::v1::UploadMetadata metadata_;
  UploadOptions options_;
  std::chrono::system_clock::time_point ends_at_;
  std::string header_upload_id_;
  int stream_count_ = 0;
  int64_t message_count_ = 0;
  int64_t sent_ = 0;

  std::mutex mutex_;
  std::condition_variable cancelling_;
  bool cancelled_ = false;
  grpc::ClientContext* context_ = nullptr;  // of the stream in progress
};
