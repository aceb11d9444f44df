// Runs a fuzz target without libFuzzer: every file of the corpus folder given as argument, then a
// bounded number of seeded mutations of them, so that a test run is the same each time. The preset
// `fuzz` links clang's libFuzzer instead of this file.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kMutationsDefault = 4000;

std::string Mutate(std::string text, const std::vector<std::string>& corpus,
                   std::mt19937_64& random) {
  const int edits = 1 + static_cast<int>(random() % 6);
  for (int i = 0; i < edits; ++i) {
    const size_t at = text.empty() ? 0 : random() % text.size();
    switch (random() % 5) {
      case 0:
        if (!text.empty()) text[at] = static_cast<char>(random());
        break;
      case 1:
        text.insert(at, 1, static_cast<char>(random()));
        break;
      case 2:
        if (!text.empty()) text.erase(at, 1 + random() % 8);
        break;
      case 3: {  // copy a piece of the text itself
        const size_t from = text.empty() ? 0 : random() % text.size();
        text.insert(at, text.substr(from, 1 + random() % 16));
        break;
      }
      case 4: {  // splice with another file
        const std::string& other = corpus[random() % corpus.size()];
        const size_t from = other.empty() ? 0 : random() % other.size();
        text = text.substr(0, at) + other.substr(from);
        break;
      }
    }
    if (text.size() > 65536) text.resize(65536);
  }
  return text;
}

void Run(const std::string& text) {
  // A copy of the exact size on the heap, so that AddressSanitizer sees a read past the end.
  std::vector<uint8_t> bytes(text.begin(), text.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> corpus{""};
  if (argc > 1 && std::filesystem::is_directory(argv[1])) {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(argv[1])) paths.push_back(entry);
    std::sort(paths.begin(), paths.end());
    for (const auto& path : paths) {
      std::ifstream in(path, std::ios::binary);
      corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
  }
  for (const std::string& text : corpus) Run(text);
  const char* wanted = std::getenv("INFE_FUZZ_MUTATIONS");
  const int mutations = wanted != nullptr ? std::atoi(wanted) : kMutationsDefault;
  std::mt19937_64 random(20260101);
  for (int i = 0; i < mutations; ++i) Run(Mutate(corpus[random() % corpus.size()], corpus, random));
  std::printf("%zu corpus files, %d mutations\n", corpus.size() - 1, mutations);
  return 0;
}
