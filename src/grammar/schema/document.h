// A JSON Schema document as places: every subschema with its JSON pointer, its base URI and its
// dialect, and references resolved to places. Nothing outside of the document is ever fetched.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/held_bytes.h"
#include "base/json.h"
#include "base/result.h"

namespace infe::grammar {

enum class Draft { k4, k6, k7, k2019, k2020 };

// A schema somewhere in a document. Compared by address: one place per subschema.
struct Place {
  const Json* schema = nullptr;    // owned by the document, an object or a boolean
  std::string path;                // JSON pointer from the root, "" for the root
  std::string base;                // base URI, without fragment
  const Json* resource = nullptr;  // the schema that the base names
  Draft draft = Draft::k2020;
};

class Document {
 public:
  // Errors: not an object or boolean, too deep, an unknown dialect, a limit.
  // fuel outlives it; null: unbounded.
  static Result<std::unique_ptr<Document>> Make(const Json& schema,
                                                std::string_view default_dialect,
                                                Fuel* fuel = nullptr);

  const Place* root() const { return root_; }
  // A `$schema` that names none of the dialects we know; it is read as its surroundings. "" if
  // none.
  const std::string& unknown_dialect() const { return unknown_dialect_; }
  // The place of a direct part of a schema, such as {"properties", "x"}.
  const Place* Child(const Place* parent, const Json* part, std::string_view step,
                     std::string_view key = {});
  // Where a reference leads. Errors: kUnsupported for remote ones, kNotFound for dangling ones.
  Result<const Place*> Resolve(const Place* from, const std::string& reference);
  // As Resolve, for $dynamicRef: kUnsupported unless the target is the same however it is reached.
  Result<const Place*> ResolveDynamic(const Place* from, const std::string& reference);
  // Schemas that we make ourselves (constants spelled as schemas); kept as long as the document.
  const Place* Synthetic(Json schema, const Place* like);

 private:
  explicit Document(Fuel* fuel) : held_(fuel, 0), fuel_(fuel) {}
  Result<void> Index();
  Result<const Place*> ResolveAnew(const Place* from, const std::string& reference);
  void Spend(uint64_t steps) {
    if (fuel_ != nullptr) fuel_->Spend(steps);
  }
  // Errors: the fuel has run out. Names the place.
  Result<void> Check(const Place* place) const;
  Result<void> Register(const Place* place);
  const Place* Add(Place place);

  HeldBytes held_;  // by places and schemas made here
  Fuel* fuel_;
  Json schema_;
  std::deque<Json> synthetic_;
  // By base URI, a blank, and reference: a schema says the same reference in a hundred places.
  std::unordered_map<std::string, const Place*> resolved_;
  std::deque<Place> places_;
  std::unordered_map<const Json*, const Place*> by_schema_;
  std::map<std::string, const Place*, std::less<>> resources_;  // by absolute URI
  std::map<std::string, const Place*, std::less<>> anchors_;    // by URI#name
  std::map<std::string, int, std::less<>> dynamic_anchors_;     // how often a name is declared
  const Place* root_ = nullptr;
  std::string unknown_dialect_;
};

// RFC 3986, section 5.2, as far as schema identifiers need it.
std::string ResolveUri(std::string_view base, std::string_view reference);
// One step of a JSON pointer: ~ and / escaped.
std::string PointerStep(std::string_view key);

}  // namespace infe::grammar
