#include "api/anthropic/message.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "api/anthropic/attribution.h"
#include "api/anthropic/limits.h"
#include "api/anthropic/message_history.h"

namespace infe::api::anthropic {
namespace {

constexpr std::array<EnumName<Role>, 3> kRoles{
    {{"user", Role::kUser}, {"assistant", Role::kAssistant}, {"system", Role::kSystem}}};

constexpr std::array<std::string_view, 2> kMedia{"image", "document"};
// What another server's own tools left in a conversation.
constexpr std::array<std::string_view, 10> kForeign{"server_tool_use",
                                                    "web_search_tool_result",
                                                    "web_fetch_tool_result",
                                                    "code_execution_tool_result",
                                                    "bash_code_execution_tool_result",
                                                    "text_editor_code_execution_tool_result",
                                                    "tool_search_tool_result",
                                                    "mcp_tool_use",
                                                    "mcp_tool_result",
                                                    "container_upload"};

constexpr const char* kDocumentPlaceholder = "[a document, which this model cannot read]";

template <size_t N>
bool Holds(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Who holds blocks: what they may be.
enum class Holder {
  kSystem,
  kUser,
  kAssistant,
  kResult,
  kDocument,  // or a search result: nothing in it holds blocks again
};

void Append(std::string& text, std::string_view more) {
  if (!text.empty()) text += '\n';
  text += more;
}

class BlockParser {
 public:
  BlockParser(Holder holder, ParseContext& context) : holder_(holder), context_(context) {}

  // A text, or blocks.
  std::vector<Block> Parse(const Json& value, const std::string& path) {
    if (value.is_string()) return {{.text = value.as_string()}};
    std::vector<Block> blocks;
    if (!value.is_array()) {
      context_.Fail(InvalidType(path, "a string or an array of content blocks", TypeName(value)));
      return blocks;
    }
    const Json::Array& array = value.array();
    if (array.size() > kBlocksMax) {
      context_.Fail(ArrayTooLong(path, kBlocksMax, array.size()));
      return blocks;
    }
    for (size_t i = 0; i < array.size() && !context_.failed(); ++i)
      if (auto block = ParseOne(array[i], Indexed(path, i))) blocks.push_back(*std::move(block));
    return blocks;
  }

 private:
  // Nothing for a block that has no place here, and on error.
  std::optional<Block> ParseOne(const Json& value, const std::string& path) {
    if (!value.is_object()) {
      context_.Fail(InvalidType(path, "an object", TypeName(value)));
      return std::nullopt;
    }
    Fields fields(value, path, context_);
    const std::string type = fields.RequireString("type");
    if (context_.failed()) return std::nullopt;
    fields.Take("cache_control");  // everything is kept anyway
    std::optional<Block> block = OfType(type, fields);
    if (Holds(kForeign, type) && !block) return std::nullopt;  // its fields are not ours to judge
    fields.Finish();
    return block;
  }

  std::optional<Block> OfType(const std::string& type, Fields& fields) {
    if (type == "text") {
      fields.Take("citations");
      return Block{.text = fields.RequireString("text")};
    }
    const bool holds_media = holder_ != Holder::kSystem;
    if (holds_media && type == "image") return Media(fields, type);
    if (holds_media && holder_ != Holder::kDocument) {
      if (type == "document") return ParseDocument(fields);
      if (type == "search_result") return ParseSearchResult(fields);
    }
    if (holder_ == Holder::kUser && type == "tool_result") return ParseToolResult(fields);
    if (holder_ == Holder::kResult && type == "tool_reference") {
      std::string name = fields.RequireString("tool_name");
      return Block{.text = name, .tools_found = {name}};
    }
    if (holder_ == Holder::kAssistant) {
      if (type == "tool_use") return ParseToolUse(fields);
      if (type == "thinking") return ParseThinking(fields);
      if (type == "redacted_thinking") {
        fields.Take("data");  // nobody but its writer can read it
        return std::nullopt;
      }
    }
    if (holds_media && Holds(kForeign, type)) {
      context_.Ignore(fields.Path(type));
      return std::nullopt;
    }
    context_.Fail(InvalidEnum(fields.Path("type"), type, Supported()));
    return std::nullopt;
  }

  std::span<const std::string_view> Supported() const {
    static constexpr std::array<std::string_view, 1> kSystem{"text"};  // and of a document
    static constexpr std::array<std::string_view, 4> kUser{"text", "document", "search_result",
                                                           "tool_result"};
    static constexpr std::array<std::string_view, 4> kAssistant{"text", "tool_use", "thinking",
                                                                "redacted_thinking"};
    static constexpr std::array<std::string_view, 4> kResult{"text", "document", "search_result",
                                                             "tool_reference"};
    switch (holder_) {
      case Holder::kSystem:
        return kSystem;
      case Holder::kUser:
        return kUser;
      case Holder::kAssistant:
        return kAssistant;
      case Holder::kResult:
        return kResult;
      case Holder::kDocument:
        break;
    }
    return kSystem;
  }

  std::optional<Block> Media(Fields& fields, const std::string& type) {
    fields.Take("source");
    if (context_.options().images == Images::kPlaceholder)
      return Block{.text = type == "image" ? kImagePlaceholder : kDocumentPlaceholder};
    context_.Fail(UnsupportedValue(fields.Path("type"), fmt::format("'{}'", type), "'text'"));
    return std::nullopt;
  }

  // Plain text, or blocks of it, under its title; anything else is a medium that nobody here reads.
  std::optional<Block> ParseDocument(Fields& fields) {
    const Json* source = fields.RequireObject("source");
    const std::string title = fields.String("title").value_or("");
    const std::string about = fields.String("context").value_or("");
    fields.Take("citations");
    if (source == nullptr) return std::nullopt;
    Fields inner(*source, fields.Path("source"), context_);
    const std::string type = inner.RequireString("type");
    if (type != "text" && type != "content") return Media(fields, "document");
    Block block;
    for (const std::string& line : {title, about})
      if (!line.empty()) Append(block.text, line);
    if (type == "text") {
      inner.Take("media_type");
      Append(block.text, inner.RequireString("data"));
    } else if (const Json* content = inner.Require("content")) {
      Append(block.text, TextOf(*content, inner.Path("content")));
    }
    inner.Finish();
    return block;
  }

  std::optional<Block> ParseSearchResult(Fields& fields) {
    Block block{.text = fields.RequireString("title")};
    Append(block.text, fields.RequireString("source"));
    fields.Take("citations");
    if (const Json* content = fields.Require("content"))
      Append(block.text, TextOf(*content, fields.Path("content")));
    return block;
  }

  std::optional<Block> ParseToolUse(Fields& fields) {
    Block block{.kind = Block::Kind::kToolUse};
    block.id = fields.RequireString("id");
    block.name = fields.RequireString("name");
    if (const Json* input = fields.RequireObject("input")) block.text = input->Dump();
    fields.Take("caller");
    fields.Take("toolset_name");
    return block;
  }

  std::optional<Block> ParseThinking(Fields& fields) {
    Block block{.kind = Block::Kind::kThinking, .text = fields.RequireString("thinking")};
    fields.String("signature");  // whoever made it, it is taken
    return block;
  }

  std::optional<Block> ParseToolResult(Fields& fields) {
    Block block{.kind = Block::Kind::kToolResult};
    block.id = fields.RequireString("tool_use_id");
    block.is_error = fields.Bool("is_error").value_or(false);
    if (const Json* content = fields.Take("content")) {
      for (Block& inner :
           BlockParser(Holder::kResult, context_).Parse(*content, fields.Path("content"))) {
        Append(block.text, inner.text);
        std::move(inner.tools_found.begin(), inner.tools_found.end(),
                  std::back_inserter(block.tools_found));
      }
    }
    fields.Take("toolset_name");
    return block;
  }

  // Of the blocks of a document: their texts, a line each.
  std::string TextOf(const Json& value, const std::string& path) {
    std::string text;
    for (const Block& block : BlockParser(Holder::kDocument, context_).Parse(value, path))
      Append(text, block.text);
    return text;
  }

  const Holder holder_;
  ParseContext& context_;
};

Holder HolderOf(Role role) {
  switch (role) {
    case Role::kUser:
      return Holder::kUser;
    case Role::kAssistant:
      return Holder::kAssistant;
    case Role::kSystem:
      return Holder::kSystem;
  }
  return Holder::kUser;
}

Message ParseMessage(const Json& value, const std::string& path, ParseContext& context) {
  Message message;
  if (!value.is_object()) {
    context.Fail(InvalidType(path, "an object", TypeName(value)));
    return message;
  }
  Fields fields(value, path, context);
  if (fields.Require("role") == nullptr) return message;
  const auto role = fields.Enum("role", kRoles);
  if (!role) return message;
  message.role = *role;
  if (const Json* content = fields.Require("content"))
    message.content = BlockParser(HolderOf(*role), context).Parse(*content, fields.Path("content"));
  fields.Finish();
  return message;
}

}  // namespace

std::vector<Message> ParseMessages(Fields& body) {
  std::vector<Message> messages;
  ParseContext& context = body.context();
  const Json* array = body.RequireArray("messages");
  if (array == nullptr) return messages;
  if (array->array().empty()) context.Fail(EmptyArray("messages"));
  const size_t limit = context.options().messages_max;
  if (array->array().size() > limit) {
    context.Fail(ArrayTooLong("messages", limit, array->array().size()));
    return messages;
  }
  messages.reserve(array->array().size());
  for (size_t i = 0; i < array->array().size() && !context.failed(); ++i)
    messages.push_back(ParseMessage(array->array()[i], Indexed("messages", i), context));
  if (!context.failed()) ValidateHistory(messages, context);
  return messages;
}

std::vector<std::string> ParseSystem(Fields& body) {
  std::vector<std::string> texts;
  const Json* system = body.Take("system");
  if (system == nullptr) return texts;
  for (Block& block : BlockParser(Holder::kSystem, body.context()).Parse(*system, "system"))
    texts.push_back(std::move(block.text));
  if (texts.empty()) return texts;
  if (auto rest = WithoutAttribution(texts.front())) {
    body.context().Ignore("system.x-anthropic-billing-header");
    texts.front() = *std::move(rest);
  }
  return texts;
}

}  // namespace infe::api::anthropic
