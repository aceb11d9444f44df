// JSON lines to rendered chat templates (chat/render_line.h), for conformance runs and differential
// fuzzing without the rest of the program. With --template FILE that is the default template.
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "chat/render_line.h"

int main(int argc, char** argv) {
  std::string default_template;
  if (argc == 3 && std::string(argv[1]) == "--template") {
    std::ifstream file(argv[2], std::ios::binary);
    default_template.assign(std::istreambuf_iterator<char>(file), {});
  }
  for (std::string line; std::getline(std::cin, line);)
    std::cout << infe::chat::RenderLine(line, default_template) << std::endl;
  return 0;
}
