#include "upstream/http_client.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/check.h"
#include "base/file_descriptor.h"
#include "upstream/limits.h"

namespace infe::upstream {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kEventsMax = 256;  // of one epoll_wait

struct EasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListCleanup {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

bool StartsWithNoCase(std::string_view text, std::string_view name) {
  return text.size() >= name.size() && curl_strnequal(text.data(), name.data(), name.size()) != 0;
}

std::string_view Trimmed(std::string_view text) {
  const size_t from = text.find_first_not_of(" \t\r\n");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r\n") - from + 1);
}

std::optional<double> NumberOf(std::string_view text) {
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || !(value >= 0)) return std::nullopt;
  return value;
}

int64_t BoundedMs(double ms) {
  constexpr double kMost = std::chrono::duration<double, std::milli>(kRetryAfterMax).count();
  return static_cast<int64_t>(std::min(ms, kMost));
}

// RFC 9110: seconds, or a date.
int64_t RetryAfterMs(std::string_view value) {
  if (const auto seconds = NumberOf(value)) return BoundedMs(1000 * *seconds);
  const time_t when = curl_getdate(std::string(value).c_str(), nullptr);
  if (when < 0) return -1;
  return BoundedMs(1000.0 * static_cast<double>(std::max<time_t>(0, when - time(nullptr))));
}

class Client;

// One request, on the client's thread but for what is said to be shared.
class Transfer : public HttpTransfer, public std::enable_shared_from_this<Transfer> {
 public:
  Transfer(Client& client, HttpAsk ask, std::unique_ptr<HttpListener> listener)
      : client_(client), ask_(std::move(ask)), listener_(std::move(listener)) {
    deadline_.store(ask_.deadline.time_since_epoch().count());
  }

  void Cancel() override;
  void SetPaused(bool paused) override;
  void SetDeadline(Clock::time_point deadline) override {
    deadline_.store(deadline.time_since_epoch().count());
  }

  // ---- The client's thread.
  bool Begin();
  CURL* easy() const { return easy_.get(); }
  bool IsLate(Clock::time_point now) const {
    return now.time_since_epoch().count() >= deadline_.load();
  }
  void Pause(bool paused) {
    if (easy_) curl_easy_pause(easy_.get(), paused ? CURLPAUSE_RECV : CURLPAUSE_CONT);
  }
  void End(HttpEnd end) {
    easy_.reset();
    headers_.reset();
    // What it holds may hold this.
    if (const auto listener = std::move(listener_)) listener->OnEnd(std::move(end));
  }
  HttpEnd EndOf(CURLcode code) const;

 private:
  static size_t OnHeaderLine(char* data, size_t size, size_t count, void* self);
  static size_t OnBody(char* data, size_t size, size_t count, void* self);
  void TakeHeaderLine(std::string_view line);
  void TellHead();
  void SetOptions();

  Client& client_;
  const HttpAsk ask_;
  std::unique_ptr<HttpListener> listener_;
  std::unique_ptr<CURL, EasyCleanup> easy_;
  std::unique_ptr<curl_slist, ListCleanup> headers_;
  HttpHead head_;
  bool head_told_ = false;
  char message_[CURL_ERROR_SIZE] = {};
  std::atomic<Clock::rep> deadline_;  // shared
};

class Client : public HttpClient {
 public:
  Client(FileDescriptor epoll, FileDescriptor wake)
      : epoll_(std::move(epoll)), wake_(std::move(wake)) {}
  ~Client() override {
    thread_.request_stop();
    Wake();
    if (thread_.joinable()) thread_.join();
    // Orders that came too late: their listeners were promised an end.
    for (Order& order : TakeOrders())
      if (order.kind == Order::Kind::kBegin) order.transfer->End(Gone());
    curl_multi_cleanup(multi_);
  }
  Result<void> Open();

  std::shared_ptr<HttpTransfer> Send(HttpAsk ask, std::unique_ptr<HttpListener> listener) override {
    auto transfer = std::make_shared<Transfer>(*this, std::move(ask), std::move(listener));
    Give({Order::Kind::kBegin, transfer});
    return transfer;
  }

  struct Order {
    enum class Kind : uint8_t { kBegin, kCancel, kPause, kResume };
    Kind kind = Kind::kBegin;
    std::shared_ptr<Transfer> transfer;
  };
  // Any thread.
  void Give(Order order) {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      first = orders_.empty();
      orders_.push_back(std::move(order));
    }
    if (first) Wake();
  }

 private:
  static HttpEnd Gone() { return {HttpEnd::How::kCancelled, "stopping"}; }
  static int OnSocket(CURL*, curl_socket_t socket, int what, void* self, void* known);
  static int OnTimer(CURLM*, long wait_ms, void* self);

  void Wake() const { eventfd_write(wake_.get(), 1); }
  std::vector<Order> TakeOrders() {
    const std::lock_guard lock(mutex_);
    return std::exchange(orders_, {});
  }
  void Run(const std::stop_token& stop);
  int WaitMs() const;
  void Act(curl_socket_t socket, int events) {
    int running = 0;
    curl_multi_socket_action(multi_, socket, events, &running);
  }
  void Obey(const Order& order);
  void EndFinished();
  void EndLate();
  void EndAt(CURL* easy, HttpEnd end);

  const FileDescriptor epoll_, wake_;
  CURLM* multi_ = nullptr;
  // Of the thread.
  std::map<CURL*, std::shared_ptr<Transfer>> running_;
  std::optional<Clock::time_point> timer_;
  Clock::time_point looked_ = {};  // at the deadlines
  std::mutex mutex_;
  std::vector<Order> orders_;  // guarded by mutex_
  std::jthread thread_;        // last: ends first
};

// ---- Transfer

void Transfer::Cancel() {
  client_.Give({Client::Order::Kind::kCancel, shared_from_this()});
}
void Transfer::SetPaused(bool paused) {
  client_.Give(
      {paused ? Client::Order::Kind::kPause : Client::Order::Kind::kResume, shared_from_this()});
}

bool Transfer::Begin() {
  easy_.reset(curl_easy_init());
  if (!easy_) return false;
  curl_slist* list = nullptr;
  for (const std::string& header : ask_.headers) list = curl_slist_append(list, header.c_str());
  // No round trip before a large body.
  headers_.reset(curl_slist_append(list, "Expect:"));
  SetOptions();
  return true;
}

void Transfer::SetOptions() {
  CURL* curl = easy_.get();
  curl_easy_setopt(curl, CURLOPT_URL, ask_.url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers_.get());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  // A key must not follow a redirect to where the operator did not send it.
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  // What an operator did not write into the configuration sends no prompt anywhere.
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  if (!ask_.ca_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, ask_.ca_file.c_str());
  } else if (const char* file = std::getenv("SSL_CERT_FILE"); file != nullptr && *file != 0) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, file);
  }
  if (ask_.body) {
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(ask_.body->size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, ask_.body->data());
  }
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(ask_.connect_timeout.count()));
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, static_cast<long>(kReceiveBufferBytes));
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message_);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeaderLine);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
}

size_t Transfer::OnHeaderLine(char* data, size_t size, size_t count, void* self) {
  static_cast<Transfer*>(self)->TakeHeaderLine({data, size * count});
  return size * count;
}

void Transfer::TakeHeaderLine(std::string_view line) {
  if (StartsWithNoCase(line, "HTTP/")) head_ = {};  // also after "100 Continue"
  const size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    const std::string_view name = line.substr(0, colon), value = Trimmed(line.substr(colon + 1));
    const auto is = [&](std::string_view wanted) {
      return name.size() == wanted.size() && StartsWithNoCase(name, wanted);
    };
    if (is("content-type")) {
      head_.content_type = std::string(Trimmed(value.substr(0, value.find(';'))));
      std::transform(
          head_.content_type.begin(), head_.content_type.end(), head_.content_type.begin(),
          [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    }
    // The milliseconds are the finer of the two, whichever comes first.
    if (is("retry-after-ms"))
      if (const auto ms = NumberOf(value)) head_.retry_after_ms = BoundedMs(*ms);
    if (is("retry-after") && head_.retry_after_ms < 0) head_.retry_after_ms = RetryAfterMs(value);
  }
  if (!Trimmed(line).empty()) return;
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  head_.status = static_cast<int>(status);
  if (status >= 200) TellHead();
}

void Transfer::TellHead() {
  if (std::exchange(head_told_, true) || !listener_) return;
  listener_->OnHead(head_);
}

size_t Transfer::OnBody(char* data, size_t size, size_t count, void* self) {
  auto* transfer = static_cast<Transfer*>(self);
  if (transfer->listener_) transfer->listener_->OnData({data, size * count});
  return size * count;
}

HttpEnd Transfer::EndOf(CURLcode code) const {
  using How = HttpEnd::How;
  const std::string reason = message_[0] != 0 ? message_ : curl_easy_strerror(code);
  if (code == CURLE_OK) return {How::kWhole, {}};
  // Nothing was sent before a connection stood.
  curl_off_t connected_us = 0;
  long opened = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_APPCONNECT_TIME_T, &connected_us);
  if (connected_us == 0) curl_easy_getinfo(easy_.get(), CURLINFO_CONNECT_TIME_T, &connected_us);
  curl_easy_getinfo(easy_.get(), CURLINFO_NUM_CONNECTS, &opened);
  const bool tls = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
                   code == CURLE_SSL_CACERT_BADFILE;
  const bool unreached = tls || code == CURLE_COULDNT_CONNECT ||
                         code == CURLE_COULDNT_RESOLVE_HOST || (opened > 0 && connected_us == 0);
  return {unreached ? How::kUnreached : How::kCut, reason};
}

// ---- Client

Result<std::unique_ptr<HttpClient>> MakeClient() {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialised != CURLE_OK) return IoError("cannot start libcurl");
  FileDescriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  FileDescriptor wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll.valid() || !wake.valid()) return IoError("cannot make an event loop");
  auto client = std::make_unique<Client>(std::move(epoll), std::move(wake));
  INFE_TRY(client->Open());
  return std::unique_ptr<HttpClient>(std::move(client));
}

Result<void> Client::Open() {
  multi_ = curl_multi_init();
  if (multi_ == nullptr) return IoError("cannot start libcurl");
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, OnSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, OnTimer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kIdleConnectionsMax);
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = wake_.get();
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0)
    return IoError("cannot watch an event");
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  return {};
}

int Client::OnSocket(CURL*, curl_socket_t socket, int what, void* self, void* known) {
  auto* client = static_cast<Client*>(self);
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(client->epoll_.get(), EPOLL_CTL_DEL, socket, nullptr);
    return 0;
  }
  epoll_event event = {};
  if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
  if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
  event.data.fd = socket;
  const int how = known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (epoll_ctl(client->epoll_.get(), how, socket, &event) != 0) return -1;
  // Any pointer but null: the socket is known from now on.
  if (known == nullptr) curl_multi_assign(client->multi_, socket, client);
  return 0;
}

int Client::OnTimer(CURLM*, long wait_ms, void* self) {
  auto* client = static_cast<Client*>(self);
  if (wait_ms < 0)
    client->timer_.reset();
  else
    client->timer_ = Clock::now() + std::chrono::milliseconds(wait_ms);
  return 0;
}

int Client::WaitMs() const {
  auto until = Clock::time_point::max();
  if (!running_.empty()) until = looked_ + kDeadlineTick;
  if (timer_) until = std::min(until, *timer_);
  if (until == Clock::time_point::max()) return -1;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
  return static_cast<int>(std::max<int64_t>(0, wait.count()));
}

void Client::Run(const std::stop_token& stop) {
  std::vector<epoll_event> events(kEventsMax);
  while (!stop.stop_requested()) {
    const int count = epoll_wait(epoll_.get(), events.data(), kEventsMax, WaitMs());
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      if (event.data.fd == wake_.get()) {
        eventfd_t ignored = 0;
        eventfd_read(wake_.get(), &ignored);
        continue;
      }
      int what = 0;
      if ((event.events & EPOLLIN) != 0) what |= CURL_CSELECT_IN;
      if ((event.events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
      if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) what |= CURL_CSELECT_ERR;
      Act(event.data.fd, what);
    }
    if (timer_ && Clock::now() >= *timer_) {
      timer_.reset();
      Act(CURL_SOCKET_TIMEOUT, 0);
    }
    for (const Order& order : TakeOrders()) Obey(order);
    EndFinished();
    EndLate();
  }
  while (!running_.empty()) EndAt(running_.begin()->first, Gone());
}

void Client::Obey(const Order& order) {
  Transfer& transfer = *order.transfer;
  switch (order.kind) {
    case Order::Kind::kBegin:
      if (!transfer.Begin() || curl_multi_add_handle(multi_, transfer.easy()) != CURLM_OK)
        return transfer.End({HttpEnd::How::kUnreached, "cannot start libcurl"});
      running_.emplace(transfer.easy(), order.transfer);
      return;
    case Order::Kind::kCancel:
      if (transfer.easy() != nullptr)
        EndAt(transfer.easy(), {HttpEnd::How::kCancelled, "cancelled"});
      return;
    case Order::Kind::kPause:
      return transfer.Pause(true);
    case Order::Kind::kResume:
      return transfer.Pause(false);
  }
}

void Client::EndFinished() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const easy = message->easy_handle;
    const auto found = running_.find(easy);
    INFE_CHECK(found != running_.end());
    EndAt(easy, found->second->EndOf(message->data.result));
  }
}

void Client::EndLate() {
  const auto now = Clock::now();
  if (running_.empty() || now < looked_ + kDeadlineTick) return;
  looked_ = now;
  std::vector<CURL*> late;
  for (const auto& [easy, transfer] : running_)
    if (transfer->IsLate(now)) late.push_back(easy);
  for (CURL* easy : late) EndAt(easy, {HttpEnd::How::kDeadline, "took too long"});
}

void Client::EndAt(CURL* easy, HttpEnd end) {
  const auto found = running_.find(easy);
  if (found == running_.end()) return;
  const std::shared_ptr<Transfer> transfer = std::move(found->second);
  running_.erase(found);
  curl_multi_remove_handle(multi_, easy);
  transfer->End(std::move(end));
}

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::Start() {
  return MakeClient();
}

}  // namespace infe::upstream
