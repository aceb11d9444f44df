#include "server/model_set.h"

#include <algorithm>

namespace infe::server {

ModelSet::~ModelSet() {
  for (const auto& model : models_) model->engine().Stop();
}

std::shared_ptr<ServedModel> ModelSet::Find(std::string_view name) const {
  std::lock_guard lock(mutex_);
  for (const auto& model : models_)
    if (model->name() == name) return model;
  for (const auto& model : models_)
    if (std::find(model->aliases().begin(), model->aliases().end(), name) != model->aliases().end())
      return model;
  return nullptr;
}

std::vector<std::shared_ptr<ServedModel>> ModelSet::All() const {
  std::lock_guard lock(mutex_);
  return models_;
}

void ModelSet::Add(std::shared_ptr<ServedModel> model) {
  std::lock_guard lock(mutex_);
  for (auto& existing : models_) {
    if (existing->name() == model->name()) {
      existing = std::move(model);
      return;
    }
  }
  models_.push_back(std::move(model));
}

}  // namespace infe::server
