#include "store/model_reference.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/split_name.h"

namespace infe::store {
namespace {

constexpr std::string_view kWays =
    "hf:ORG/REPO, hf:ORG/REPO:QUANT or hf:ORG/REPO/FILE.gguf, with @REVISION behind REPO if wanted";

bool IsPart(std::string_view text) {
  if (text.empty() || text.size() > 128 || text == "." || text == "..") return false;
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
}

bool StripPrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// ORG/REPO, and what follows the name of the repository.
struct Head {
  std::string repository;
  std::string_view rest;
};
std::optional<Head> ReadHead(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const size_t end = std::min(text.find_first_of("/:@?#", slash + 1), text.size());
  const std::string_view owner = text.substr(0, slash);
  const std::string_view name = text.substr(slash + 1, end - slash - 1);
  if (!IsPart(owner) || !IsPart(name)) return std::nullopt;
  return Head{std::string(text.substr(0, end)), text.substr(end)};
}

Result<HubReference> ParseHub(std::string_view whole, std::string_view text) {
  const Error wrong = InvalidArgument(fmt::format("{} is not {}", whole, kWays));
  const std::optional<Head> head = ReadHead(text);
  if (!head) return wrong;
  HubReference reference;
  reference.repository = head->repository;
  std::string_view rest = head->rest;
  if (StripPrefix(rest, "@")) {
    // A revision with slashes cannot be told from a file behind it: it ends at a slash.
    const size_t end = std::min(rest.find_first_of("/:"), rest.size());
    reference.revision = rest.substr(0, end);
    rest.remove_prefix(end);
    if (!IsHubRevision(reference.revision)) return wrong;
  }
  if (StripPrefix(rest, ":")) {
    if (!IsPart(rest)) return wrong;
    reference.quant = rest;
  } else if (StripPrefix(rest, "/")) {
    if (!IsHubFile(rest) || !rest.ends_with(".gguf")) return wrong;
    reference.file = rest;
  } else if (!rest.empty()) {
    return wrong;
  }
  return reference;
}

// What the pages' addresses are: ORG/REPO, and perhaps /blob/REVISION/FILE or /resolve/....
Result<HubReference> ParsePage(std::string_view whole, std::string_view text) {
  text = text.substr(0, text.find_first_of("?#"));
  if (text.ends_with('/')) text.remove_suffix(1);
  const std::optional<Head> head = ReadHead(text);
  if (!head) return InvalidArgument(fmt::format("{} is no model's page", whole));
  std::string_view rest = head->rest;
  HubReference reference;
  reference.repository = head->repository;
  if (StripPrefix(rest, "/blob/") || StripPrefix(rest, "/resolve/")) {
    const size_t slash = std::min(rest.find('/'), rest.size());
    reference.revision = rest.substr(0, slash);
    if (slash == rest.size() || !IsHubRevision(reference.revision) ||
        !IsHubFile(rest.substr(slash + 1)))
      return InvalidArgument(fmt::format("{} names no file", whole));
    reference.file = rest.substr(slash + 1);
    return reference;
  }
  if (StripPrefix(rest, "/tree/")) {
    if (!IsHubRevision(rest)) return InvalidArgument(fmt::format("{} names no revision", whole));
    reference.revision = rest;
    return reference;
  }
  return ParseHub(whole, text);
}

}  // namespace

bool IsHubFile(std::string_view text) {
  if (text.empty() || text.size() > 1024) return false;
  for (;;) {
    const size_t slash = std::min(text.find('/'), text.size());
    const std::string_view part = text.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (std::any_of(part.begin(), part.end(),
                    [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
      return false;
    if (slash == text.size()) return true;
    text.remove_prefix(slash + 1);
  }
}

bool IsHubRevision(std::string_view text) {
  for (;;) {
    const size_t slash = std::min(text.find('/'), text.size());
    if (!IsPart(text.substr(0, slash))) return false;
    if (slash == text.size()) return true;
    text.remove_prefix(slash + 1);
  }
}

std::string HubReference::Text() const {
  std::string text = "hf:" + repository;
  if (revision != "main") text += "@" + revision;
  if (!file.empty()) return text + "/" + file;
  if (!quant.empty()) text += ":" + quant;
  return text;
}

Result<std::optional<ModelReference>> ParseModelReference(std::string_view text) {
  std::string_view rest = text;
  if (StripPrefix(rest, "hf:")) {
    INFE_ASSIGN(HubReference hub, ParseHub(text, rest));
    return std::optional<ModelReference>(std::move(hub));
  }
  for (const std::string_view page :
       {"https://huggingface.co/", "https://hf.co/", "huggingface.co/", "hf.co/"}) {
    if (!StripPrefix(rest, page)) continue;
    INFE_ASSIGN(HubReference hub, ParsePage(text, rest));
    return std::optional<ModelReference>(std::move(hub));
  }
  if (text.starts_with("https://") || text.starts_with("http://"))
    return std::optional<ModelReference>(UrlReference{std::string(text)});
  if (const size_t colon = text.find("://"); colon != std::string_view::npos)
    return InvalidArgument(
        fmt::format("{}: only https, http and hf: are spoken", text.substr(0, colon)));
  if (text.starts_with('/') || text.starts_with("./") || text.starts_with("../") ||
      text.starts_with("~/") || text.ends_with(".gguf"))
    return std::optional<ModelReference>(PathReference{std::string(text)});
  if (text.find('/') != std::string_view::npos)
    return InvalidArgument(fmt::format(
        "{} is neither a name nor a file; a model of Hugging Face is hf:{}", text, text));
  return std::optional<ModelReference>();
}

std::string TextOf(const ModelReference& reference) {
  if (const auto* hub = std::get_if<HubReference>(&reference)) return hub->Text();
  if (const auto* url = std::get_if<UrlReference>(&reference)) return url->url;
  return std::get<PathReference>(reference).path;
}

std::string NameFromFile(std::string_view file) {
  file = file.substr(0, file.find_first_of("?#"));
  file.remove_prefix(file.rfind('/') + 1);  // npos + 1 is 0
  const auto part = ParseSplitName(file);
  if (part) file = part->whole;
  if (file.ends_with(".gguf")) file.remove_suffix(5);
  std::string name(file.substr(0, 128));
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_' && c != '.')
      c = '-';
  while (name.starts_with('.')) name.erase(0, 1);
  return name;
}

}  // namespace infe::store
