#include "uploader.h"

#include <algorithm>
#include <iomanip>
#include <random>
#include <sstream>
#include <utility>

#include <google/protobuf/util/time_util.h>
#include <google/rpc/error_details.pb.h>

using symdb::v1::Scope;
using symdb::v1::UploadProgress;
using symdb::v1::UploadScopesRequest;

namespace {

// What a child takes in its parent beside its own bytes, at most.
constexpr size_t kChildOverhead = 6;

std::string NewUuid() {
  std::random_device random;
  std::ostringstream text;
  text << std::hex << std::setfill('0');
  for (int i = 0; i < 8; i++) {
    unsigned word = random() & 0xffff;
    if (i == 3) word = (word & 0x0fff) | 0x4000;  // version 4
    if (i == 4) word = (word & 0x3fff) | 0x8000;  // variant
    if (i >= 2 && i <= 5) text << '-';
    text << std::setw(4) << word;
  }
  return text.str();
}

// Sends a root that is too large for a message as several: the backend merges them.
// Each has some of the children, or of what they have split into. A scope's symbols
// go with its first part. What has no children stays as it is.
bool Split(const Scope& scope, size_t max_bytes, const Visitor& send) {
  if (scope.scopes().empty() || scope.ByteSizeLong() <= max_bytes) return send(scope);
  Scope bare = scope;
  bare.clear_scopes();
  Scope part = bare;
  bare.clear_symbols();
  const size_t bare_bytes = bare.ByteSizeLong();
  const size_t max_piece_bytes = max_bytes - std::min(max_bytes, bare_bytes + kChildOverhead);
  size_t size = part.ByteSizeLong();
  for (const Scope& child : scope.scopes()) {
    const bool goes_on = Split(child, max_piece_bytes, [&](const Scope& piece) {
      const size_t piece_bytes = piece.ByteSizeLong() + kChildOverhead;
      if (!part.scopes().empty() && size + piece_bytes > max_bytes) {
        if (!send(part)) return false;
        part = bare;
        size = bare_bytes;
      }
      *part.add_scopes() = piece;
      size += piece_bytes;
      return true;
    });
    if (!goes_on) return false;
  }
  return send(part);
}

}  // namespace

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& target) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // the library's own retries know nothing of batches
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

std::string Outcome::reason() const { return detail<google::rpc::ErrorInfo>().reason(); }

std::string Outcome::field() const {
  const auto request = detail<google::rpc::BadRequest>();
  return request.field_violations().empty() ? "" : request.field_violations(0).field();
}

std::chrono::milliseconds Outcome::retry_delay() const {
  const auto delay = detail<google::rpc::RetryInfo>().retry_delay();
  return std::chrono::milliseconds(google::protobuf::util::TimeUtil::DurationToMilliseconds(delay));
}

bool Outcome::passes() const {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED && reason() == "OVERLOADED");
}

Uploader::Uploader(
    const std::shared_ptr<grpc::Channel>& channel, symdb::v1::UploadMetadata metadata, UploadOptions options)
    : stub_(symdb::v1::SymbolDatabaseService::NewStub(channel)),
      metadata_(std::move(metadata)),
      options_(options) {
  if (metadata_.upload_id().empty()) metadata_.set_upload_id(NewUuid());
}

Outcome Uploader::Upload(const Source& scopes) {
  std::minstd_rand random(std::random_device{}());
  ends_at_ = std::chrono::system_clock::now() + options_.deadline;
  int64_t accepted = 0;
  for (int failures = 0;;) {
    Outcome outcome = Stream(scopes, accepted);
    if (outcome.status.ok() || !outcome.passes()) return outcome;

    const auto progress = outcome.detail<UploadProgress>();
    if (progress.upload_id() == metadata_.upload_id() && progress.accepted_scope_count() < sent_) {
      // It is known how far the stream came: the next one goes on there.
      accepted += progress.accepted_scope_count();
      metadata_.set_first_batch_num(progress.next_batch_num());
      failures = progress.accepted_scope_count() > 0 ? 0 : failures + 1;
    } else if (sent_ == 0 || (outcome.has<UploadProgress>() && progress.upload_id().empty())) {
      // No scope was sent, or the server has read nothing: send the same again.
      failures++;
    } else {
      // It is not: start over, as another upload.
      accepted = 0;
      failures++;
      metadata_.set_upload_id(NewUuid());
      metadata_.clear_first_batch_num();
    }
    const int spread = std::min(30'000, 200 << std::min(failures, 10));
    const auto wait = outcome.retry_delay() + std::chrono::milliseconds(random() % spread);
    if (failures >= options_.max_attempts || std::chrono::system_clock::now() + wait >= ends_at_) return outcome;
    std::unique_lock<std::mutex> lock(mutex_);
    if (cancelling_.wait_for(lock, wait, [this] { return cancelled_; })) {
      outcome = Outcome();
      outcome.status = grpc::Status(grpc::StatusCode::CANCELLED, "the upload was cancelled");
      return outcome;
    }
  }
}

void Uploader::Cancel() {
  const std::lock_guard<std::mutex> lock(mutex_);
  cancelled_ = true;
  cancelling_.notify_all();
  if (context_ != nullptr) context_->TryCancel();
}

// Lets Cancel reach a stream, until it is left, be it by an exception.
class Uploader::Cancellable {
 public:
  Cancellable(Uploader* uploader, grpc::ClientContext* context) : uploader_(uploader) { Set(context); }
  ~Cancellable() { Set(nullptr); }
  Cancellable(const Cancellable&) = delete;
  Cancellable& operator=(const Cancellable&) = delete;

 private:
  void Set(grpc::ClientContext* context) {
    const std::lock_guard<std::mutex> lock(uploader_->mutex_);
    uploader_->context_ = context;
    if (context != nullptr && uploader_->cancelled_) context->TryCancel();
  }

  Uploader* uploader_;
};

Outcome Uploader::Stream(const Source& scopes, int64_t accepted) {
  sent_ = 0;
  stream_count_++;
  Outcome outcome;
  // Where this is left by an exception the call is cancelled: what is cut short must
  // not get a final batch.
  grpc::ClientContext context;
  context.set_deadline(ends_at_);
  const Cancellable cancellable(this, &context);
  auto writer = stub_->UploadScopes(&context, &outcome.summary);

  // Write returns when the message is on its way, so that a slow server holds the
  // source back and memory stays flat; and false when the stream has ended.
  UploadScopesRequest request;
  *request.mutable_metadata() = metadata_;
  bool goes_on = writer->Write(request);
  int64_t index = 0;
  if (goes_on) {
    scopes([&](const Scope& scope) {
      return Split(scope, options_.max_message_bytes, [&](const Scope& message) {
        if (++index <= accepted) return true;
        *request.mutable_scope() = message;
        sent_++;
        goes_on = writer->Write(request);
        if (goes_on) message_count_++;
        return goes_on;
      });
    });
  }
  if (goes_on) writer->WritesDone();
  outcome.status = writer->Finish();
  if (!goes_on && outcome.status.ok()) {
    outcome.status = grpc::Status(grpc::StatusCode::INTERNAL, "the server answered before the end of the upload");
  }
  outcome.details.ParseFromString(outcome.status.error_details());
  const auto& headers = context.GetServerInitialMetadata();
  if (const auto found = headers.find("scopegate-upload-id"); found != headers.end()) {
    header_upload_id_.assign(found->second.data(), found->second.size());
  }
  return outcome;
}
