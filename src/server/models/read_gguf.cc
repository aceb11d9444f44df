#include "server/models/read_gguf.h"

#include <utility>

namespace infe::server {

Result<model::GgufFile> ReadGguf(store::ModelFile file) {
  INFE_ASSIGN(model::GgufFile gguf,
              model::GgufFile::Read(std::move(file.file), file.state, file.path));
  for (store::ModelFile& part : file.more) {
    INFE_ASSIGN(model::GgufFile next,
                model::GgufFile::Read(std::move(part.file), part.state, part.path));
    INFE_TRY(gguf.Join(std::move(next)));
  }
  return gguf;
}

}  // namespace infe::server
