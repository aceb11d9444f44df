#include "store/download.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include <curl/curl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace infe::store {
namespace {

// A mirror behind a balancer takes two; more than five is a loop.
constexpr long kRedirectsMax = 5;
constexpr long kConnectTimeoutS = 20;
// Slower than 1 KiB/s for a minute is a dead connection: the next pull resumes.
constexpr long kLowSpeedBytes = 1024;
constexpr long kLowSpeedS = 60;
// The disk is looked at again after so much: others write to it as well.
constexpr uint64_t kDiskLookBytes = uint64_t{16} << 20;

struct Transfer {
  const FileDescriptor& file;
  CURL* curl;
  const std::string& url;
  const PullRoom& room;
  const PullOptions& options;
  uint64_t held = 0;         // bytes of the file
  uint64_t disk_looked = 0;  // at so many
  bool started = false;
  std::optional<Error> error;  // ours, where libcurl knows only that it was stopped
};

Result<void> StartOver(Transfer& t) {
  if (ftruncate(t.file.get(), 0) != 0 || lseek(t.file.get(), 0, SEEK_SET) != 0)
    return IoError(fmt::format("cannot start over: {}", std::strerror(errno)));
  t.held = 0;
  return {};
}

// At the first byte of the body: how much is to come, and may it?
Result<void> Begin(Transfer& t) {
  long status = 0;
  curl_off_t coming = -1;
  curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(t.curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &coming);
  // 200 to a Range request: the whole file comes, so what we had is dropped.
  if (status == 200 && t.held > 0) INFE_TRY(StartOver(t));
  if (coming < 0) {
    if (t.room.HasBound()) return {};
    return InvalidArgument(
        fmt::format("{}: the server does not say how large the file is; --max-bytes says how much "
                    "of it to take",
                    t.url));
  }
  const uint64_t whole = t.held + static_cast<uint64_t>(coming);
  INFE_TRY(t.room.Admits(whole, t.url));
  if (t.room.stated != 0 && whole != t.room.stated) {
    return Corrupt(fmt::format("{}: the server has {} bytes, the registry states {}", t.url, whole,
                               t.room.stated));
  }
  return t.room.FitsDisk(static_cast<uint64_t>(coming));
}

Result<void> Take(Transfer& t, std::span<const std::byte> data) {
  if (!t.started) {
    t.started = true;
    INFE_TRY(Begin(t));
    t.disk_looked = t.held;
  }
  INFE_TRY(t.room.Admits(t.held + data.size(), t.url));
  if (t.held - t.disk_looked >= kDiskLookBytes) {
    t.disk_looked = t.held;
    INFE_TRY(t.room.FitsDisk(data.size()));
  }
  if (!WriteAll(t.file, data)) {
    return IoError(fmt::format("cannot write what arrives: {}", std::strerror(errno)));
  }
  t.held += data.size();
  return {};
}

size_t OnData(char* data, size_t size, size_t count, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  auto taken = Take(*transfer, std::as_bytes(std::span(data, size * count)));
  if (taken) return size * count;
  transfer->error = std::move(taken).error();
  return CURL_WRITEFUNC_ERROR;
}

int OnProgress(void* user, curl_off_t total, curl_off_t now, curl_off_t, curl_off_t) {
  auto* t = static_cast<Transfer*>(user);
  if (t->options.cancelled && t->options.cancelled()) {
    t->error = Error{ErrorCode::kCancelled, "interrupted; the next pull goes on from here", {}};
    return 1;
  }
  if (t->options.on_progress && total > 0 && t->started) {
    const uint64_t left = static_cast<uint64_t>(std::max<curl_off_t>(total - now, 0));
    t->options.on_progress({"downloading", t->held, t->held + left});
  }
  return 0;
}

struct HeaderList {
  explicit HeaderList(const std::vector<std::string>& headers) {
    for (const std::string& header : headers) list = curl_slist_append(list, header.c_str());
  }
  ~HeaderList() { curl_slist_free_all(list); }
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  curl_slist* list = nullptr;
};

// What is so for everything that is fetched.
void SetTransport(CURL* curl, const std::string& url, curl_slist* headers, char* message) {
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  // What began encrypted stays so: a redirect must not undo the user's choice.
  const bool secure = curl_strnequal(url.c_str(), "https:", 6) != 0;
  const char* protocols = secure ? "https" : "http,https";
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols);
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
  // As pip and OpenSSL's own tools have it: for a mirror behind a certificate of one's own.
  const char* certificates = std::getenv("SSL_CERT_FILE");
  if (certificates != nullptr && *certificates != 0)
    curl_easy_setopt(curl, CURLOPT_CAINFO, certificates);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kRedirectsMax);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectTimeoutS);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kLowSpeedBytes);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kLowSpeedS);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

void SetOptions(Transfer& t) {
  CURL* curl = t.curl;
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(t.held));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnData);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &t);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &t);
}

struct SmallAnswer {
  size_t bytes_max;
  const PullOptions& options;
  std::string body;
  std::optional<Error> error;
};

size_t OnText(char* data, size_t size, size_t count, void* user) {
  auto* answer = static_cast<SmallAnswer*>(user);
  if (size * count > answer->bytes_max - answer->body.size()) {
    answer->error =
        ResourceExhausted(fmt::format("an answer of more than {} bytes", answer->bytes_max));
    return CURL_WRITEFUNC_ERROR;
  }
  answer->body.append(data, size * count);
  return size * count;
}

int OnTextProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto* answer = static_cast<SmallAnswer*>(user);
  if (!answer->options.cancelled || !answer->options.cancelled()) return 0;
  answer->error = Error{ErrorCode::kCancelled, "interrupted", {}};
  return 1;
}

}  // namespace

Result<void> DownloadFile(const std::string& url, const std::vector<std::string>& headers,
                          const std::string& path, const PullRoom& room,
                          const PullOptions& options) {
  INFE_ASSIGN(const FileDescriptor file, OpenToWrite(path, 0600));
  const off_t held = lseek(file.get(), 0, SEEK_END);
  if (held < 0) return IoError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  if (!curl) return IoError("cannot start libcurl");
  Transfer transfer{file, curl.get(), url, room, options, static_cast<uint64_t>(held),
                    0,    false,      {}};
  // What is kept of something larger cannot be the beginning of it.
  if (transfer.held > room.BytesMax()) INFE_TRY(StartOver(transfer));
  const HeaderList list(headers);
  char message[CURL_ERROR_SIZE] = {};
  SetTransport(curl.get(), url, list.list, message);
  SetOptions(transfer);
  const CURLcode code = curl_easy_perform(curl.get());
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (transfer.error) {
    // Nothing of a file that is too large or another one is worth keeping; the rest is.
    if (transfer.error->code == ErrorCode::kResourceExhausted ||
        transfer.error->code == ErrorCode::kCorrupt)
      unlink(path.c_str());
    return *transfer.error;
  }
  if (status == 401 || status == 403) {
    return Error{ErrorCode::kPermissionDenied,
                 fmt::format("{}: status {}: it is not for everybody; give a token with HF_TOKEN, "
                             "and agree to its terms on its page if it asks for that",
                             url, status),
                 {}};
  }
  // 416: nothing is left to send, because the file was already whole; the digest decides.
  if (status == 416) return {};
  if (code != CURLE_OK)
    return IoError(
        fmt::format("{}: {}", url, message[0] != 0 ? message : curl_easy_strerror(code)));
  return {};
}

Result<FetchedText> FetchText(const std::string& url, const std::vector<std::string>& headers,
                              size_t bytes_max, const PullOptions& options) {
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  if (!curl) return IoError("cannot start libcurl");
  SmallAnswer answer{bytes_max, options, {}, {}};
  const HeaderList list(headers);
  char message[CURL_ERROR_SIZE] = {};
  SetTransport(curl.get(), url, list.list, message);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, OnText);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, OnTextProgress);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &answer);
  const CURLcode code = curl_easy_perform(curl.get());
  if (answer.error) return *answer.error;
  if (code != CURLE_OK)
    return IoError(
        fmt::format("{}: {}", url, message[0] != 0 ? message : curl_easy_strerror(code)));
  FetchedText fetched;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &fetched.status);
  fetched.body = std::move(answer.body);
  return fetched;
}

}  // namespace infe::store
