#include "store/download.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
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
// An address and an ETag.
constexpr size_t kNoteBytesMax = 16384;
constexpr size_t kHeaderValueMax = 1024;

// The answers' headers that are looked at.
struct SeenHeaders {
  std::string etag;  // of the last answer: that of the body
  std::string linked_etag;
  uint64_t linked_bytes = 0;
  std::string error_code;
};

struct Transfer {
  const FileDescriptor& file;
  CURL* curl;
  const std::string& url;
  const PullRoom& room;
  const PullOptions& options;
  const std::string note_path = {};
  SeenHeaders seen = {};
  uint64_t held = 0;         // bytes of the file
  uint64_t disk_looked = 0;  // at so many
  bool started = false;
  std::optional<Error> error = {};  // ours, where libcurl knows only that it was stopped
};

Result<void> StartOver(Transfer& t) {
  if (ftruncate(t.file.get(), 0) != 0 || lseek(t.file.get(), 0, SEEK_SET) != 0)
    return IoError(fmt::format("cannot start over: {}", std::strerror(errno)));
  t.held = 0;
  return {};
}

std::string NoteHead(const std::string& url) {
  return url + "\n";
}

// The strong ETag that what is kept was sent with, if it was of this address.
std::string NotedEtag(const std::string& note_path, const std::string& url) {
  const auto note = ReadSmallFile(note_path, kNoteBytesMax);
  const std::string head = NoteHead(url);
  if (!note || !note->starts_with(head)) return {};
  const std::string etag = note->substr(head.size());
  return etag.size() > 2 && etag.front() == '"' && etag.back() == '"' &&
                 etag.find_first_of("\r\n") == std::string::npos
             ? etag
             : std::string();
}

// A whole file begins. Without a note a broken one is begun anew or its digest decides: nothing
// depends on its being written.
void Note(const Transfer& t) {
  unlink(t.note_path.c_str());
  if (!t.seen.etag.starts_with('"')) return;  // a weak one promises no bytes
  const auto note = CreateRegular(t.note_path, 0600);
  const std::string text = NoteHead(t.url) + t.seen.etag;
  if (note && !WriteAll(*note, std::as_bytes(std::span(text)))) unlink(t.note_path.c_str());
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0)
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
    text.remove_suffix(1);
  return text;
}

size_t OnHeader(char* data, size_t size, size_t count, void* user) {
  auto* seen = static_cast<SeenHeaders*>(user);
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) seen->etag.clear();
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || line.size() > kHeaderValueMax) return line.size();
  const std::string name(line.substr(0, colon));
  const std::string_view value = Trimmed(line.substr(colon + 1));
  if (curl_strequal(name.c_str(), "etag") != 0) seen->etag = value;
  if (curl_strequal(name.c_str(), "x-error-code") != 0) seen->error_code = value;
  if (curl_strequal(name.c_str(), "x-linked-etag") != 0 && seen->linked_etag.empty())
    seen->linked_etag = value;
  if (curl_strequal(name.c_str(), "x-linked-size") != 0 && seen->linked_bytes == 0)
    std::from_chars(value.data(), value.data() + value.size(), seen->linked_bytes);
  return line.size();
}

// At the first byte of the body: how much is to come, and may it?
Result<void> Begin(Transfer& t) {
  long status = 0;
  curl_off_t coming = -1;
  curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(t.curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &coming);
  // 200 to a Range request: the whole file comes, so what we had is dropped.
  if (status == 200 && t.held > 0) INFE_TRY(StartOver(t));
  if (t.held == 0) Note(t);
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

void SetHeaders(CURL* curl, SeenHeaders& seen) {
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &seen);
}

void SetOptions(Transfer& t) {
  CURL* curl = t.curl;
  SetHeaders(curl, t.seen);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(t.held));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnData);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &t);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &t);
}

// What is done with an answer that is longer than wanted.
enum class Longer { kRefused, kLeft };

struct SmallAnswer {
  size_t bytes_max;
  Longer longer;
  const PullOptions& options;
  SeenHeaders seen = {};
  std::string body = {};
  bool enough = false;
  std::optional<Error> error = {};
};

size_t OnText(char* data, size_t size, size_t count, void* user) {
  auto* answer = static_cast<SmallAnswer*>(user);
  const size_t room = answer->bytes_max - answer->body.size();
  if (size * count > room && answer->longer == Longer::kLeft) {
    answer->body.append(data, room);
    answer->enough = true;
    return CURL_WRITEFUNC_ERROR;
  }
  if (size * count > room) {
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

using Curl = std::unique_ptr<CURL, void (*)(CURL*)>;

// What a transfer of a small answer gives, once it is over.
Result<FetchedText> Fetch(const std::string& url, const std::vector<std::string>& headers,
                          SmallAnswer& answer) {
  const Curl curl(curl_easy_init(), curl_easy_cleanup);
  if (!curl) return IoError("cannot start libcurl");
  const HeaderList list(headers);
  char message[CURL_ERROR_SIZE] = {};
  SetTransport(curl.get(), url, list.list, message);
  SetHeaders(curl.get(), answer.seen);
  if (answer.bytes_max == 0) curl_easy_setopt(curl.get(), CURLOPT_NOBODY, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, OnText);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, OnTextProgress);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &answer);
  const CURLcode code = curl_easy_perform(curl.get());
  if (answer.error) return *answer.error;
  if (code != CURLE_OK && !answer.enough)
    return IoError(
        fmt::format("{}: {}", url, message[0] != 0 ? message : curl_easy_strerror(code)));
  FetchedText fetched;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &fetched.status);
  fetched.body = std::move(answer.body);
  fetched.error_code = answer.seen.error_code;
  return fetched;
}

}  // namespace

Result<void> DownloadFile(const std::string& url, const std::vector<std::string>& headers,
                          const DownloadPlace& place, const PullRoom& room,
                          const PullOptions& options) {
  const std::string& path = place.path;
  INFE_ASSIGN(const FileDescriptor file, OpenToWrite(path, 0600));
  const off_t held = lseek(file.get(), 0, SEEK_END);
  if (held < 0) return IoError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  const Curl curl(curl_easy_init(), curl_easy_cleanup);
  if (!curl) return IoError("cannot start libcurl");
  Transfer transfer{file, curl.get(), url, room, options, path + ".of"};
  transfer.held = static_cast<uint64_t>(held);
  const std::string etag = NotedEtag(transfer.note_path, url);
  const bool could_be_another = place.verification == Verification::kNone && etag.empty();
  // What is kept of something larger cannot be the beginning of it.
  if (could_be_another || transfer.held > room.BytesMax()) INFE_TRY(StartOver(transfer));
  std::vector<std::string> sent = headers;
  if (transfer.held > 0 && !etag.empty()) sent.push_back("If-Range: " + etag);
  const HeaderList list(sent);
  char message[CURL_ERROR_SIZE] = {};
  SetTransport(curl.get(), url, list.list, message);
  SetOptions(transfer);
  const CURLcode code = curl_easy_perform(curl.get());
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (transfer.error) {
    // Nothing of a file that is too large or another one is worth keeping; the rest is.
    if (transfer.error->code == ErrorCode::kResourceExhausted ||
        transfer.error->code == ErrorCode::kCorrupt) {
      unlink(path.c_str());
      unlink(transfer.note_path.c_str());
    }
    return *transfer.error;
  }
  if (status == 401 || status == 403)
    return Error{ErrorCode::kPermissionDenied,
                 fmt::format("{}: status {}: it is not for everybody", url, status),
                 {}};
  // The whole file was sent where its rest was asked for: it is another one by now, or the server
  // sends no parts. What is kept is of no use, and the whole is asked for, once: nothing is held
  // then.
  if (code == CURLE_RANGE_ERROR && held > 0) {
    INFE_TRY(StartOver(transfer));
    return DownloadFile(url, headers, place, room, options);
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
  SmallAnswer answer{bytes_max, Longer::kRefused, options};
  return Fetch(url, headers, answer);
}

Result<FetchedText> FetchBeginning(const std::string& url, const std::vector<std::string>& headers,
                                   size_t bytes, const PullOptions& options) {
  SmallAnswer answer{bytes, Longer::kLeft, options};
  std::vector<std::string> sent = headers;
  sent.push_back(fmt::format("Range: bytes=0-{}", bytes - 1));
  return Fetch(url, sent, answer);
}

Result<LinkedFile> AskLinkedFile(const std::string& url, const std::vector<std::string>& headers,
                                 const PullOptions& options) {
  SmallAnswer answer{0, Longer::kLeft, options};
  // Redirects lead to the file's own place as well, which may refuse: signed addresses are for GET.
  INFE_TRY(Fetch(url, headers, answer));
  std::string_view etag = answer.seen.linked_etag;
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"')
    etag = etag.substr(1, etag.size() - 2);
  return LinkedFile{std::string(etag), answer.seen.linked_bytes};
}

}  // namespace infe::store
