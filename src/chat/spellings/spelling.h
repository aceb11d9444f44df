// One way of writing tool calls. A spelling recognises itself in what a template renders, reads a
// call of it from a stream cut anywhere, and writes one for histories; what a grammar puts around
// names and arguments is plain data, the ToolFormat that the probe found. A new spelling is a class
// in a file of this folder and a line in spelling.cc (docs/adding-a-spelling.md).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "chat/message.h"
#include "chat/spellings/argument_types.h"
#include "chat/spellings/call_reader.h"
#include "chat/spellings/call_renderings.h"
#include "chat/tool_format.h"

namespace infe::chat {

// Stateless and immutable: one object serves all models.
class Spelling {
 public:
  Spelling() = default;
  Spelling(const Spelling&) = delete;
  Spelling& operator=(const Spelling&) = delete;
  virtual ~Spelling() = default;

  // For the log and for docs/templates.md.
  virtual std::string_view name() const = 0;
  // The format, where the template writes calls in this way.
  virtual std::optional<ToolFormat> Probe(const CallRenderings& rendered) const = 0;
  // For one call, from behind its marker. Format and types must outlive the reader.
  virtual std::unique_ptr<CallReader> NewReader(const ToolFormat& format,
                                                const ArgumentTypes& types,
                                                CallReader::Strictness strictness) const = 0;
  // The call as the model would write it, from before_name to after_arguments.
  virtual std::string CallText(const ToolFormat& format, const ToolCall& call) const = 0;
};

// All of them, in the order in which they are tried.
std::span<const Spelling* const> Spellings();
// How the template writes calls; nullopt when it does not, or in a way that no spelling knows.
std::optional<ToolFormat> ProbeToolFormat(const jinja::Template& compiled,
                                          const TemplateTraits& traits, const Json& variables);
// The one that reads and writes calls of this kind.
const Spelling& SpellingOf(ToolFormat::Kind kind);

}  // namespace infe::chat
