#include "server/models/model_set.h"

#include <algorithm>
#include <set>

namespace infe::server {

ModelSet::~ModelSet() {
  for (const auto& model : models_) model->backend().Stop();
  for (const auto& model : retired_) model->backend().Stop();
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

uint64_t ModelSet::StepsAndStates(std::span<const std::shared_ptr<ServedModel>> models) const {
  std::lock_guard lock(mutex_);
  std::set<std::shared_ptr<ServedModel>> all(models.begin(), models.end());
  all.insert(models_.begin(), models_.end());
  all.insert(retired_.begin(), retired_.end());
  uint64_t bytes = 0;
  for (const auto& model : all) bytes += model->memory().own();
  return bytes;
}

void ModelSet::Set(std::vector<std::shared_ptr<ServedModel>> models) {
  std::lock_guard lock(mutex_);
  for (auto& model : models_)
    if (std::find(models.begin(), models.end(), model) == models.end())
      retired_.push_back(std::move(model));
  models_ = std::move(models);
}

void ModelSet::Reap() {
  std::vector<std::shared_ptr<ServedModel>> idle;  // ends after the lock: its engine is joined
  std::lock_guard lock(mutex_);
  for (auto& model : retired_)
    if (model.use_count() == 1 && model->is_idle()) idle.push_back(std::move(model));
  std::erase(retired_, nullptr);
}

}  // namespace infe::server
