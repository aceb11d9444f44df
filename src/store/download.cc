#include "store/download.h"

#include <cstdio>
#include <filesystem>
#include <memory>

#include <curl/curl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace infe::store {
namespace {

struct Transfer {
  std::FILE* file = nullptr;
  CURL* curl = nullptr;
  curl_off_t offset = 0;
  bool started = false;
  bool cancelled = false;
  const PullOptions* options = nullptr;
};

size_t OnData(char* data, size_t size, size_t count, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  if (!transfer->started) {
    transfer->started = true;
    long status = 0;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    // 200 to a Range request: the whole file comes, so what we had is dropped.
    if (status == 200 && transfer->offset > 0) {
      if (std::fflush(transfer->file) != 0 || ftruncate(fileno(transfer->file), 0) != 0) return 0;
      std::rewind(transfer->file);
      transfer->offset = 0;
    }
  }
  return std::fwrite(data, size, count, transfer->file) * size;
}

int OnProgress(void* user, curl_off_t total, curl_off_t now, curl_off_t, curl_off_t) {
  auto* transfer = static_cast<Transfer*>(user);
  if (transfer->options->cancelled && transfer->options->cancelled()) {
    transfer->cancelled = true;
    return 1;
  }
  if (transfer->options->on_progress && total > 0)
    transfer->options->on_progress({"downloading", static_cast<uint64_t>(transfer->offset + now),
                                    static_cast<uint64_t>(transfer->offset + total)});
  return 0;
}

}  // namespace

Result<void> DownloadFile(const std::string& url, const std::vector<std::string>& headers,
                          const std::string& path, const PullOptions& options) {
  std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "ab"), std::fclose);
  if (!curl || !file) return IoError(fmt::format("cannot write {}", path));
  Transfer transfer{file.get(), curl.get(), 0, false, false, &options};
  std::fseek(file.get(), 0, SEEK_END);
  transfer.offset = std::ftell(file.get());

  curl_slist* list = nullptr;
  for (const std::string& header : headers) list = curl_slist_append(list, header.c_str());
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> list_owner(list, curl_slist_free_all);
  char message[CURL_ERROR_SIZE] = {};
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, 20L);
  // Slower than 1 KiB/s for a minute is a dead connection: the next pull resumes.
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_LIMIT, 1024L);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_TIME, 60L);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(curl.get(), CURLOPT_RESUME_FROM_LARGE, transfer.offset);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, OnData);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &transfer);
  const CURLcode code = curl_easy_perform(curl.get());
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  const bool flushed = std::fflush(file.get()) == 0;
  // 416: nothing is left to send, because the file was already whole; the digest decides.
  if (status == 416) return {};
  if (transfer.cancelled)
    return Error{ErrorCode::kCancelled, "interrupted; the next pull goes on from here", {}};
  if (code != CURLE_OK)
    return IoError(
        fmt::format("{}: {}", url, message[0] != 0 ? message : curl_easy_strerror(code)));
  if (!flushed) return IoError(fmt::format("cannot write {}: is the disk full?", path));
  return {};
}

}  // namespace infe::store
