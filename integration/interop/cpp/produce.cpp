// Uploads a fixed tree of symbols to scopegate.

#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <thread>

#include "scopes.h"
#include "uploader.h"

using nlohmann::json;

namespace {

constexpr char kUsage[] = R"(Options:
  --target HOST:PORT     the server (127.0.0.1:50051)
  --service NAME         (interop-cpp)
  --sent PATH            write each scope there, as a line of JSON
  --golden ANY           upload the first root of the tree alone
  --replay PATH          upload scopes from lines of JSON instead
  --deadline SECONDS     (900)
  --max-message-bytes N  (1048576)
  --cancel-after N       cancel after that many scopes
  --cancel-at SECONDS    cancel after that time
)";

const char* const kCodeNames[] = {
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
};

using Options = std::map<std::string, std::string>;

// Calls visit with the scopes to upload, until that returns false: the same each time.
void Find(const Options& options, const std::function<bool(const json&)>& visit) {
  if (const auto replay = options.find("--replay"); replay != options.end()) {
    std::ifstream lines(replay->second);
    for (std::string line; std::getline(lines, line);) {
      if (!visit(json::parse(line))) return;
    }
    return;
  }
  const int count = options.count("--golden") > 0 ? 1 : kRootCount;
  for (int number = 0; number < count; number++) {
    if (!visit(RootScope(number))) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options = {
      {"--target", "127.0.0.1:50051"}, {"--service", "interop-cpp"}, {"--deadline", "900"},
      {"--max-message-bytes", "1048576"}, {"--cancel-after", "0"},
  };
  if (argc % 2 == 0) {
    std::cerr << kUsage;
    return 2;
  }
  for (int i = 1; i < argc; i += 2) options[argv[i]] = argv[i + 1];

  symdb::v1::UploadMetadata metadata;
  metadata.set_service(options["--service"]);
  metadata.set_env("interop");
  metadata.set_version("1.0");
  metadata.set_language("dotnet");
  metadata.set_ddsource("dotnet");
  metadata.add_tags("git.commit.sha:12ab");
  metadata.add_tags("team:interop");
  metadata.set_container_id("interop-container");
  metadata.set_entity_id("ci-interop");
  metadata.set_external_env("it-false,cn-interop");
  metadata.set_parent_id("interop-parent");
  (*metadata.mutable_additional())["schema_version"].set_number_value(1);
  UploadOptions upload_options;
  upload_options.deadline = std::chrono::milliseconds(static_cast<int64_t>(std::stod(options["--deadline"]) * 1000));
  upload_options.max_message_bytes = std::stoul(options["--max-message-bytes"]);
  Uploader uploader(OpenChannel(options["--target"]), metadata, upload_options);

  std::ofstream sent;
  if (options.count("--sent") > 0) sent.open(options["--sent"]);
  const int64_t cancel_after = std::stol(options["--cancel-after"]);
  int64_t scope_count = 0;
  const auto began = std::chrono::steady_clock::now();
  Outcome outcome;
  std::string failure;
  bool source_failed = false;
  std::thread timer;
  if (options.count("--cancel-at") > 0) {
    timer = std::thread([&uploader, wait = std::chrono::duration<double>(std::stod(options["--cancel-at"]))] {
      std::this_thread::sleep_for(wait);
      uploader.Cancel();
    });
  }
  try {
    outcome = uploader.Upload([&](const Visitor& visit) {
      int64_t index = 0;
      Find(options, [&](const json& scope) {
        if (++index > scope_count) {
          scope_count = index;
          if (sent.is_open()) sent << scope.dump() << '\n';
        }
        const bool goes_on = visit(ToMessage(scope));
        if (index == cancel_after) uploader.Cancel();
        return goes_on;
      });
    });
    if (!outcome.status.ok()) failure = "failed: " + outcome.status.error_message();
  } catch (const json::exception& error) {
    failure = error.what();
    source_failed = true;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  if (timer.joinable()) timer.join();

  if (!failure.empty()) std::cerr << failure << '\n';
  std::cout << json{
                   {"status", source_failed ? "SOURCE_FAILED" : kCodeNames[outcome.status.error_code()]},
                   {"reason", outcome.reason()},
                   {"field", outcome.field()},
                   {"scope_count", outcome.summary.scope_count()},
                   {"upload_id", uploader.upload_id()},
                   {"header_upload_id", uploader.header_upload_id()},
                   {"scopes", scope_count},
                   {"messages", uploader.message_count()},
                   {"streams", uploader.stream_count()},
                   {"seconds", took.count()},
               }
            << '\n';
  return failure.empty() ? 0 : 1;
}
