#include "grammar/schema/document.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "grammar/limits.h"

namespace infe::grammar {
namespace {

std::optional<Draft> DraftOf(std::string_view uri) {
  while (!uri.empty() && uri.back() == '#') uri.remove_suffix(1);
  if (uri.starts_with("https://")) uri.remove_prefix(8);
  if (uri.starts_with("http://")) uri.remove_prefix(7);
  if (uri == "json-schema.org/draft/2020-12/schema") return Draft::k2020;
  if (uri == "json-schema.org/draft/2019-09/schema") return Draft::k2019;
  if (uri == "json-schema.org/draft-07/schema") return Draft::k7;
  if (uri == "json-schema.org/draft-06/schema") return Draft::k6;
  if (uri == "json-schema.org/draft-04/schema" || uri == "json-schema.org/draft-03/schema")
    return Draft::k4;
  if (uri == "json-schema.org/schema") return Draft::k2020;
  // OpenAPI 3.1 and later: 2020-12 with annotations of its own.
  if (uri.starts_with("spec.openapis.org/oas/3.") && uri.find("/dialect/") != uri.npos)
    return Draft::k2020;
  return std::nullopt;
}

// Keywords whose value is a schema, a list of schemas, or a map of schemas.
constexpr std::string_view kSingle[] = {"additionalProperties",
                                        "additionalItems",
                                        "items",
                                        "contains",
                                        "not",
                                        "if",
                                        "then",
                                        "else",
                                        "propertyNames",
                                        "unevaluatedItems",
                                        "unevaluatedProperties",
                                        "contentSchema"};
constexpr std::string_view kLists[] = {"allOf", "anyOf", "oneOf", "prefixItems", "items"};
constexpr std::string_view kMaps[] = {"properties",  "patternProperties", "$defs",
                                      "definitions", "dependentSchemas",  "dependencies"};

bool Contains(std::span<const std::string_view> list, std::string_view key) {
  return std::ranges::find(list, key) != list.end();
}

bool IsSchema(const Json& json) {
  return json.is_object() || json.is_bool();
}

std::string Unescape(std::string_view text, bool percent) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (percent && text[i] == '%' && i + 2 < text.size()) {
      const auto digit = [](char c) {
        return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' ? (c | 0x20) - 'a' + 10 : 0;
      };
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else if (!percent && text[i] == '~' && i + 1 < text.size()) {
      out += text[++i] == '0' ? '~' : '/';
    } else {
      out += text[i];
    }
  }
  return out;
}

struct Uri {
  std::string scheme, authority, path, query;
  bool has_authority = false, has_query = false;
};

Uri Split(std::string_view text) {
  Uri uri;
  const size_t colon = text.find(':');
  const size_t slash = text.find_first_of("/?#");
  if (colon != std::string_view::npos && colon > 0 &&
      (slash == std::string_view::npos || colon < slash)) {
    uri.scheme = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  if (text.starts_with("//")) {
    uri.has_authority = true;
    const size_t end = std::min(text.find_first_of("/?", 2), text.size());
    uri.authority = text.substr(2, end - 2);
    text.remove_prefix(end);
  }
  if (const size_t q = text.find('?'); q != std::string_view::npos) {
    uri.has_query = true;
    uri.query = text.substr(q + 1);
    text = text.substr(0, q);
  }
  uri.path = text;
  return uri;
}

std::string WithoutDots(std::string_view path) {
  std::vector<std::string> out;
  const bool rooted = path.starts_with('/');
  bool folder = false;
  size_t at = rooted ? 1 : 0;
  while (at <= path.size()) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    folder = part == "." || part == "..";
    if (part == "..") {
      if (!out.empty()) out.pop_back();
    } else if (part != ".") {
      out.emplace_back(part);
    }
    at = end + 1;
  }
  if (folder) out.emplace_back();
  std::string joined = rooted ? "/" : "";
  for (size_t i = 0; i < out.size(); ++i) joined += (i == 0 ? "" : "/") + out[i];
  return joined;
}

// What a place takes beside its texts, and a value of a schema that is made here.
constexpr size_t kPlaceBytes = 256;
constexpr size_t kJsonNodeBytes = 96;
constexpr size_t kPathShownMax = 1024;  // of a path that may be what used the memory up

// Values in a schema, each character of a text counted as a part of one.
size_t NodesOf(const Json& json) {
  size_t nodes = 0;
  std::vector<const Json*> open{&json};
  while (!open.empty()) {
    const Json& at = *open.back();
    open.pop_back();
    ++nodes;
    if (at.is_string()) nodes += at.as_string().size() / kJsonNodeBytes;
    if (at.is_array())
      for (const Json& item : at.array()) open.push_back(&item);
    if (at.is_object()) {
      for (const auto& [key, value] : at.object()) {
        nodes += key.size() / kJsonNodeBytes;
        open.push_back(&value);
      }
    }
  }
  return nodes;
}

const Json* Member(const Json& json, std::string_view key) {
  return json.find(key);
}

// The text of a string member, "" if there is none.
std::string_view Text(const Json& schema, std::string_view key) {
  const Json* value = Member(schema, key);
  return value != nullptr && value->is_string() ? std::string_view(value->as_string()) : "";
}

Error Dangling(const Place* from, std::string message) {
  return {ErrorCode::kNotFound, std::move(message), from->path + "/$ref"};
}

}  // namespace

std::string PointerStep(std::string_view key) {
  std::string out = "/";
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

std::string ResolveUri(std::string_view base_text, std::string_view reference) {
  const Uri base = Split(base_text);
  Uri uri = Split(reference);
  if (uri.scheme.empty()) {
    uri.scheme = base.scheme;
    if (!uri.has_authority) {
      uri.has_authority = base.has_authority;
      uri.authority = base.authority;
      if (uri.path.empty()) {
        uri.path = base.path;
        if (!uri.has_query) {
          uri.has_query = base.has_query;
          uri.query = base.query;
        }
      } else if (!uri.path.starts_with('/')) {
        const size_t slash = base.path.rfind('/');
        const std::string folder = slash != std::string::npos ? base.path.substr(0, slash + 1)
                                   : base.has_authority       ? "/"
                                                              : "";
        uri.path = folder + uri.path;
      }
    }
  }
  if (uri.path.find('.') != std::string::npos) uri.path = WithoutDots(uri.path);
  return (uri.scheme.empty() ? "" : uri.scheme + ":") +
         (uri.has_authority ? "//" + uri.authority : "") + uri.path +
         (uri.has_query ? "?" + uri.query : "");
}

Result<std::unique_ptr<Document>> Document::Make(const Json& schema,
                                                 std::string_view default_dialect, Fuel* fuel) {
  if (!IsSchema(schema)) return InvalidArgument("a schema is an object or a boolean");
  auto document = std::unique_ptr<Document>(new Document(fuel));
  document->schema_ = schema;
  Place root{&document->schema_, "", "", &document->schema_, Draft::k2020};
  if (!default_dialect.empty()) {
    const auto draft = DraftOf(default_dialect);
    if (!draft) return InvalidArgument(fmt::format("unknown dialect {}", default_dialect));
    root.draft = *draft;
  }
  document->root_ = document->Add(std::move(root));
  INFE_TRY(document->Index());
  return document;
}

const Place* Document::Add(Place place) {
  const auto it = by_schema_.find(place.schema);
  if (it != by_schema_.end()) return it->second;
  // A path or a base may be half a megabyte, once for each of ten thousand places.
  const size_t text = place.path.size() + place.base.size();
  held_.Grow(kPlaceBytes + text);
  Spend(2 + text / 16);
  places_.push_back(std::move(place));
  by_schema_.emplace(places_.back().schema, &places_.back());
  return &places_.back();
}

// Takes up $schema, $id and the anchors of one place.
Result<void> Document::Register(const Place* const_place) {
  Place* place = const_cast<Place*>(const_place);
  const Json& schema = *place->schema;
  if (!schema.is_object()) return {};
  if (const std::string_view dialect = Text(schema, "$schema"); !dialect.empty()) {
    const auto draft = DraftOf(dialect);
    if (draft) {
      place->draft = *draft;
    } else {
      unknown_dialect_ = dialect;
    }
  }
  std::string_view id = Text(schema, place->draft == Draft::k4 ? "id" : "$id");
  const bool ref_hides_id = place->draft <= Draft::k7 && Member(schema, "$ref") != nullptr;
  if (!id.empty() && !ref_hides_id) {
    const size_t hash = id.find('#');
    const std::string_view uri = id.substr(0, hash);
    if (!uri.empty()) {
      place->base = ResolveUri(place->base, uri);
      place->resource = place->schema;
      resources_.emplace(place->base, place);
    }
    if (hash != std::string_view::npos && hash + 1 < id.size())
      anchors_.emplace(fmt::format("{}#{}", place->base, id.substr(hash + 1)), place);
  }
  if (place == root_) resources_.emplace(place->base, place);
  if (place->draft >= Draft::k2019) {
    if (const auto name = Text(schema, "$anchor"); !name.empty())
      anchors_.emplace(fmt::format("{}#{}", place->base, name), place);
    if (const auto name = Text(schema, "$dynamicAnchor"); !name.empty()) {
      anchors_.emplace(fmt::format("{}#{}", place->base, name), place);
      ++dynamic_anchors_[std::string(name)];
    }
  }
  return {};
}

// Every subschema reached by keywords that hold schemas, so that identifiers inside are known
// before the first reference. Breadth first; the depth is bounded by the parser's.
Result<void> Document::Index() {
  std::vector<const Place*> queue{root_};
  for (size_t i = 0; i < queue.size(); ++i) {
    const Place* place = queue[i];
    INFE_TRY(Check(place));
    INFE_TRY(Register(place));
    if (!place->schema->is_object()) continue;
    if (std::ranges::count(place->path, '/') > static_cast<std::ptrdiff_t>(2 * kSchemaDepthMax))
      return ResourceExhausted(
          fmt::format("schemas more than {} levels inside each other", kSchemaDepthMax),
          place->path);
    for (const auto& [key, value] : place->schema->object()) {
      if (value.is_array() && Contains(kLists, key)) {
        size_t index = 0;
        for (const Json& item : value.array()) {
          const std::string number = std::to_string(index++);
          if (IsSchema(item)) queue.push_back(Child(place, &item, key, number));
        }
      } else if (value.is_object() && Contains(kMaps, key)) {
        for (const auto& [name, item] : value.object())
          if (IsSchema(item)) queue.push_back(Child(place, &item, key, name));
      } else if (IsSchema(value) && Contains(kSingle, key)) {
        queue.push_back(Child(place, &value, key));
      }
    }
  }
  return {};
}

const Place* Document::Child(const Place* parent, const Json* part, std::string_view step,
                             std::string_view key) {
  if (const auto it = by_schema_.find(part); it != by_schema_.end()) return it->second;
  // A map of many schemas is entered as a whole: without fuel no more places are made, and whoever
  // asked for one stops at its next look.
  if (fuel_ != nullptr && fuel_->empty()) return parent;
  std::string path = parent->path + PointerStep(step);
  if (key.data() != nullptr) path += PointerStep(key);
  return Add({part, std::move(path), parent->base, parent->resource, parent->draft});
}

const Place* Document::Synthetic(Json schema, const Place* like) {
  const size_t nodes = NodesOf(schema);
  held_.Grow(nodes * kJsonNodeBytes);
  Spend(nodes);
  synthetic_.push_back(std::move(schema));
  Place place = *like;
  place.schema = &synthetic_.back();
  return Add(std::move(place));
}

Result<void> Document::Check(const Place* place) const {
  if (fuel_ == nullptr || !fuel_->empty()) return {};
  Error error = fuel_->Refusal("the schema");
  error.param = place->path.substr(0, kPathShownMax);
  return error;
}

Result<const Place*> Document::Resolve(const Place* from, const std::string& reference) {
  Spend(2 + (from->base.size() + reference.size()) / 16);
  INFE_TRY(Check(from));
  std::string key = fmt::format("{} {}", from->base, reference);
  if (const auto it = resolved_.find(key); it != resolved_.end()) return it->second;
  INFE_ASSIGN(const Place* place, ResolveAnew(from, reference));
  held_.Grow(key.size() + 64);
  resolved_.emplace(std::move(key), place);
  return place;
}

Result<const Place*> Document::ResolveAnew(const Place* from, const std::string& reference) {
  const size_t hash = reference.find('#');
  const std::string uri = ResolveUri(from->base, std::string_view(reference).substr(0, hash));
  const std::string fragment =
      hash == std::string::npos ? "" : Unescape(std::string_view(reference).substr(hash + 1), true);
  const Place* resource = nullptr;
  if (uri == from->base) {
    const auto it = by_schema_.find(from->resource);
    resource = it != by_schema_.end() ? it->second : root_;
  } else if (const auto it = resources_.find(uri); it != resources_.end()) {
    resource = it->second;
  }
  if (resource == nullptr)
    return Unsupported(
        fmt::format("'$ref' to {} leaves the document; nothing is fetched", reference),
        from->path + "/$ref");
  if (fragment.empty()) return resource;
  if (fragment.front() != '/') {
    const auto it = anchors_.find(fmt::format("{}#{}", resource->base, fragment));
    if (it == anchors_.end())
      return Dangling(from, fmt::format("'$ref' to {}: no such anchor", reference));
    return it->second;
  }
  const Json* at = resource->schema;
  const Place* nearest = resource;
  std::string path = resource->path;
  for (size_t begin = 1; begin <= fragment.size();) {
    const size_t end = std::min(fragment.find('/', begin), fragment.size());
    const std::string key = Unescape(std::string_view(fragment).substr(begin, end - begin), false);
    begin = end + 1;
    path += PointerStep(key);
    Spend(1 + (at->is_object() ? at->object().size() / 4 : 0));
    if (at->is_array()) {
      const bool number = !key.empty() && key.size() < 9 &&
                          std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; });
      at = number && std::stoul(key) < at->array().size() ? &at->array()[std::stoul(key)] : nullptr;
    } else {
      at = Member(*at, key);
    }
    if (at == nullptr)
      return Dangling(from, fmt::format("'$ref' to {}: there is nothing", reference));
    if (const auto it = by_schema_.find(at); it != by_schema_.end()) nearest = it->second;
  }
  if (!IsSchema(*at)) return Dangling(from, fmt::format("'$ref' to {}: not a schema", reference));
  if (nearest->schema == at) return nearest;
  // Below a keyword that we do not know: the reader of the nearest schema around it holds.
  return Add({at, path, nearest->base, nearest->resource, nearest->draft});
}

Result<const Place*> Document::ResolveDynamic(const Place* from, const std::string& reference) {
  INFE_ASSIGN(const Place* target, Resolve(from, reference));
  const size_t hash = reference.find('#');
  const std::string name = hash == std::string::npos ? "" : reference.substr(hash + 1);
  const std::string_view declared =
      target->schema->is_object() ? Text(*target->schema, "$dynamicAnchor") : "";
  // Behaves as $ref unless the target declares the name dynamically and others do, too.
  if (declared.empty() || declared != name) return target;
  const auto it = dynamic_anchors_.find(name);
  if (it != dynamic_anchors_.end() && it->second > 1)
    return Unsupported("'$dynamicRef' with several anchors of its name",
                       from->path + "/$dynamicRef");
  return target;
}

}  // namespace infe::grammar
