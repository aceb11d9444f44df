// GET / for browsers, GET /web/...: the playground's files, and those of the operations page on its
// port. Nothing in them is secret, so no key is asked for; what a page then asks of /v1 needs one
// like anybody's request.
#include <algorithm>

#include <fmt/format.h>

#include "api/api_error.h"
#include "server/door/reply.h"
#include "server/handlers/handlers.h"
#include "server/web_files.h"

namespace infe::server {
namespace {

// Scripts, styles and requests of this server alone; the page is shown in nobody's frame, and no
// form or base address leads away from it. A picture in an answer would tell its host who reads it.
constexpr const char* kPolicy =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'";
// A name that holds the hash of its content never changes its meaning.
constexpr const char* kForever = "public, max-age=31536000, immutable";
constexpr const char* kAskAgain = "no-cache";

bool TakesGzip(const http::HttpRequest& request) {
  const std::string_view accepted = request.headers.Get("Accept-Encoding");
  const size_t at = accepted.find("gzip");
  if (at == std::string_view::npos) return false;
  const std::string_view rest = accepted.substr(at + 4, accepted.find(',', at) - at - 4);
  return rest.find("q=0") == std::string_view::npos || rest.find("q=0.") != std::string_view::npos;
}

// What is asked for by an address that stays.
bool IsPage(const WebFile& file) {
  return !file.path.starts_with("web/");
}

void Send(const WebFile& file, const http::HttpRequest& request, const WriterPtr& writer) {
  http::HttpResponse response;
  response.headers = Reply(ContextOf(request), writer).Headers();
  response.headers.Set("ETag", std::string(file.etag));
  response.headers.Set("Cache-Control", IsPage(file) ? kAskAgain : kForever);
  // What `/` answers depends on both.
  response.headers.Add("Vary", "Accept, Accept-Encoding");
  response.headers.Set("Content-Security-Policy", kPolicy);
  response.headers.Set("X-Content-Type-Options", "nosniff");
  response.headers.Set("Referrer-Policy", "no-referrer");
  response.headers.Set("Cross-Origin-Opener-Policy", "same-origin");
  // A proxy that compresses by itself makes the tag a weak one: W/"...".
  if (request.headers.Get("If-None-Match").find(file.etag) != std::string_view::npos) {
    response.status = 304;
    return writer->Send(std::move(response));
  }
  response.headers.Set("Content-Type", std::string(file.type));
  if (TakesGzip(request)) {
    response.headers.Set("Content-Encoding", "gzip");
    response.body = file.gzip;
  } else {
    response.body = file.plain;
  }
  writer->Send(std::move(response));
}

// Null: there is none of that name.
const WebFile* Find(std::string_view path) {
  const auto files = WebFiles();
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const WebFile& f) { return f.path == path; });
  return found == files.end() ? nullptr : &*found;
}

// The page of that name for browsers, one line of JSON for everybody else.
void SendRoot(std::string_view page_name, std::string json, const http::HttpRequest& request,
              WriterPtr writer) {
  const WebFile* page = Find(page_name);
  if (page != nullptr && request.headers.Get("Accept").find("text/html") != std::string_view::npos)
    return Send(*page, request, writer);
  Reply(ContextOf(request), std::move(writer))
      .SendJson(std::move(json), {{"Vary", "Accept, Origin"}});
}

}  // namespace

void HandleRoot(Services&, http::HttpRequest request, WriterPtr writer) {
  SendRoot("", R"({"name":"infe","docs":"/","api":"/v1"})", request, writer);
}

void HandleOpsRoot(Services&, http::HttpRequest request, WriterPtr writer) {
  SendRoot("ops.html",
           R"({"name":"infe operations","metrics":"/metrics","api":"/v1/organization"})", request,
           writer);
}

void HandleWebFile(Services&, http::HttpRequest request, WriterPtr writer) {
  const WebFile* file = Find(request.path.substr(1));
  if (file != nullptr) return Send(*file, request, writer);
  Reply(ContextOf(request), std::move(writer))
      .SendError(api::UnknownUrl(request.method, request.path));
}

}  // namespace infe::server
