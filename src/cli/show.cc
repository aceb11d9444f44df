// infe show: what a model file is.
#include <fmt/format.h>

#include "base/json.h"
#include "base/sha256.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/open_model.h"
#include "cli/progress_bar.h"
#include "cli/runs_here.h"
#include "engine/loader.h"
#include "server/models/read_gguf.h"
#include "store/model_file.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::string model, data_dir;
  bool json = false, with_template = false;
};

// "temperature 0.7, top_p 0.8"
std::string Words(const PartialSampling& sampling) {
  std::string words;
  for (const auto& [name, value] : sampling.ToJson().object())
    words += fmt::format("{}{} {}", words.empty() ? "" : ", ", name, value.Dump());
  return words.empty() ? "the API's defaults" : words;
}

// The model that drafts for it.
std::string DraftWords(const FoundModel& found) {
  const std::string& draft = found.installed.draft;
  return draft.empty() ? "none" : fmt::format("{}, where it pays", draft);
}

struct TensorSum {
  uint64_t parameters = 0;
  std::vector<std::pair<std::string, int64_t>> types;  // and how many tensors each, as they come
};

TensorSum SumTensors(const model::GgufFile& file) {
  TensorSum sum;
  for (const model::GgufTensor& tensor : file.tensors()) {
    sum.parameters += tensor.rows() * tensor.cols();
    const auto same = std::find_if(sum.types.begin(), sum.types.end(),
                                   [&](const auto& t) { return t.first == tensor.type_name; });
    if (same == sum.types.end())
      sum.types.emplace_back(tensor.type_name, 1);
    else
      ++same->second;
  }
  return sum;
}

// "24 x Q4_K, 1 x F32"
std::string Words(const std::vector<std::pair<std::string, int64_t>>& types) {
  std::string words;
  for (const auto& [type, count] : types)
    words += fmt::format("{}{} x {}", words.empty() ? "" : ", ", count, type);
  return words;
}

std::string TemplateHash(const std::string& chat_template) {
  Sha256 sha;
  sha.Update(chat_template);
  return chat_template.empty() ? "" : ToHex(sha.Finish()).substr(0, 16);
}

uint64_t VocabularyOf(const model::GgufFile& file) {
  const auto* tokens = file.FindEntry("tokenizer.ggml.tokens");
  return tokens == nullptr ? 0 : tokens->count;
}

Result<void> Show(const Arguments& a) {
  INFE_ASSIGN(const FoundModel found, FindModel(a.model, a.data_dir));
  // What is shown is what is there, also where the registry asks for something else.
  INFE_ASSIGN(store::ModelFile opened, store::OpenHashed(found.dir, found.installed.path, {}));
  const std::string path = opened.path;
  const std::string digest = opened.sha256;
  const std::string& wanted = found.installed.sha256;
  const bool other = !wanted.empty() && wanted != digest;
  INFE_ASSIGN(const model::GgufFile file, server::ReadGguf(std::move(opened)));
  INFE_ASSIGN(const std::string_view architecture, file.String("general.architecture", ""));
  INFE_ASSIGN(const std::string_view name, file.String("general.name", ""));
  INFE_ASSIGN(const std::string_view licence, file.String("general.license", ""));
  INFE_ASSIGN(const uint64_t context,
              file.Unsigned(std::string(architecture) + ".context_length", 0));
  INFE_ASSIGN(const uint64_t layers, file.Unsigned(std::string(architecture) + ".block_count", 0));
  INFE_ASSIGN(const uint64_t embedding,
              file.Unsigned(std::string(architecture) + ".embedding_length", 0));
  INFE_ASSIGN(const std::string chat_template, engine::LoadChatTemplate(file));
  const PartialSampling sampling =
      found.installed.defaults.Over(engine::LoadSamplingDefaults(file));
  const auto [parameters, types] = SumTensors(file);
  const std::string template_hash = TemplateHash(chat_template);
  const uint64_t vocabulary = VocabularyOf(file);

  const std::optional<std::string> why_not = WhyNotHere(file, MachineMemoryBytes());

  if (a.json) {
    Json tensors = Json::MakeObject();
    for (const auto& [type, count] : types) tensors.set(type, count);
    Json json = Json::Object{{"name", a.model},
                             {"path", path},
                             {"title", name},
                             {"architecture", architecture},
                             {"parameters", parameters},
                             {"layers", layers},
                             {"embedding", embedding},
                             {"context_length", context},
                             {"vocabulary", vocabulary},
                             {"tensor_types", tensors},
                             {"draft", found.installed.draft},
                             {"sampling_defaults", sampling.ToJson()},
                             {"size_bytes", static_cast<uint64_t>(file.file_bytes())},
                             {"licence", licence},
                             {"sha256", digest},
                             {"registry_sha256", wanted.empty() ? Json() : Json(wanted)},
                             {"template_hash", template_hash},
                             {"runs_here", !why_not},
                             {"why_not", why_not ? Json(*why_not) : Json()}};
    if (a.with_template) json.set("template", chat_template);
    fmt::print("{}\n", json.Dump());
    return {};
  }
  fmt::print(
      "name          {}\nfile          {} ({})\ntitle         {}\narchitecture  {}, {} layers of "
      "{}\nparameters    {:.0f} M\n"
      "context       {}\nvocabulary    {}\ntensors       {}\nlicence       {}\nsha256        "
      "{}\ntemplate      {}\nsampling      {}\ndraft         {}\nruns here     {}\n",
      a.model, path, HumanBytes(file.file_bytes()), name, architecture, layers, embedding,
      static_cast<double>(parameters) / 1e6, context, vocabulary, Words(types),
      licence.empty() ? "not stated in the file" : licence, digest,
      template_hash.empty() ? "none" : template_hash, Words(sampling), DraftWords(found),
      why_not ? "no: " + *why_not : "yes");
  if (other)
    fmt::print(
        "registry      asks for sha256 {}: this is not its file and is not served; "
        "infe pull --force {} fetches it anew\n",
        wanted, found.installed.name);
  if (a.with_template) fmt::print("\n{}\n", chat_template);
  return {};
}

}  // namespace

void AddShow(CommandLine& line) {
  static Arguments a;
  line.Add("show",
           "What a model is: architecture, quantisation, context, template, licence, digest")
      .Argument("NAME", a.model, "Name or GGUF path", true)
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Flag("--template", a.with_template, "Also print the chat template")
      .Flag("--json", a.json, "Print JSON")
      .Run([] {
        auto done = Show(a);
        return done ? kExitDone : Fail(done.error());
      });
}

}  // namespace infe::cli
