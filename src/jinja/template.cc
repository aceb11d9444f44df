#include "jinja/template.h"

#include <exception>
#include <utility>

#include "base/utf8.h"
#include "jinja/binder.h"
#include "jinja/error.h"
#include "jinja/interpreter.h"
#include "jinja/parser.h"

namespace infe::jinja {
namespace {

// The longest templates in use have some 20 kB.
constexpr size_t kSourceBytesMax = 1u << 20;
constexpr size_t kMessageBytesMax = 4096;

// The door: nothing thrown inside gets out.
template <typename T, typename Work>
Result<T> Guarded(Work work) {
  try {
    return work();
  } catch (const TemplateError& failure) {
    Error error = failure.error;
    // It goes into logs and answers, and a template can make it of a conversation.
    if (error.message.size() > kMessageBytesMax) {
      error.message.resize(kMessageBytesMax);
      error.message.resize(CompleteUtf8Prefix(error.message));
      error.message += "...";
    }
    return error;
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("the template ran out of memory");
  } catch (const std::exception& failure) {
    return InvalidArgument(std::string("the template failed: ") + failure.what());
  }
}

}  // namespace

Template::Template(std::unique_ptr<const Program> program) : program_(std::move(program)) {}
Template::~Template() = default;

Result<std::unique_ptr<const Template>> Template::Compile(std::string_view source) {
  using Compiled = std::unique_ptr<const Template>;
  if (source.size() > kSourceBytesMax) return InvalidArgument("the chat template exceeds 1 MiB");
  return Guarded<Compiled>([&]() -> Result<Compiled> {
    auto program = std::make_unique<const Program>(Bind(Parse(source)));
    return Compiled(new Template(std::move(program)));
  });
}

Result<RenderedText> Template::Render(const Json& context, const RenderOptions& options) const {
  if (!context.is_object()) return InvalidArgument("the context of a template must be an object");
  return Guarded<RenderedText>(
      [&]() -> Result<RenderedText> { return Interpret(*program_, context, options); });
}

}  // namespace infe::jinja
