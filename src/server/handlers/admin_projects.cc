// /v1/organization/projects: projects and their rate limits.
#include "api/openai/admin_request.h"
#include "server/door/errors.h"
#include "server/handlers/admin.h"
#include "store/project_store.h"

namespace infe::server {
namespace {

api::ProjectObject ToWire(const store::ProjectRecord& record) {
  return {record.id, record.name, record.created_at, record.archived_at};
}

api::RateLimitObject ToWire(const std::string& model, const store::KeyLimits& limits) {
  return {model, limits.requests_per_minute, limits.tokens_per_minute, limits.requests_per_day};
}

const api::ParseOptions& Options() {
  static const api::ParseOptions options;
  return options;
}

}  // namespace

api::Parsed<std::string> ListProjects(const AdminCall& call) {
  auto query = api::ParseListQuery(call.http.query);
  if (!query) return std::move(query).error();
  std::vector<store::ProjectRecord> projects = call.services.projects.List();
  if (!query->include_archived)
    std::erase_if(projects, [](const auto& p) { return p.archived_at != 0; });
  return api::Write(PageOf(projects, query->after, query->limit,
                           [](const auto& p) { return api::Write(ToWire(p)); }));
}

api::Parsed<std::string> CreateProject(const AdminCall& call) {
  auto body = api::ParseAdminBody(call.http.body, api::NameIs::kRequired, Options());
  if (!body) return std::move(body).error();
  auto made = call.services.projects.Create(*body->name, call.now, ChangeBy(call));
  if (!made) return ToRefusal(made.error());
  return api::Write(ToWire(*made));
}

api::Parsed<std::string> GetProject(const AdminCall& call) {
  auto project = call.services.projects.Get(call.Param("project"));
  if (!project) return ToRefusal(project.error());
  return api::Write(ToWire(*project));
}

api::Parsed<std::string> UpdateProject(const AdminCall& call) {
  auto body = api::ParseAdminBody(call.http.body, api::NameIs::kOptional, Options());
  if (!body) return std::move(body).error();
  if (!body->name) return GetProject(call);
  auto changed =
      call.services.projects.Rename(call.Param("project"), *body->name, call.now, ChangeBy(call));
  if (!changed) return ToRefusal(changed.error());
  return api::Write(ToWire(*changed));
}

api::Parsed<std::string> ArchiveProject(const AdminCall& call) {
  auto archived = call.services.projects.Archive(call.Param("project"), call.now, ChangeBy(call));
  if (!archived) return ToRefusal(archived.error());
  return api::Write(ToWire(*archived));
}

api::Parsed<std::string> ListRateLimits(const AdminCall& call) {
  auto query = api::ParseListQuery(call.http.query);
  if (!query) return std::move(query).error();
  const std::string project = call.Param("project");
  if (auto found = call.services.projects.Get(project); !found) return ToRefusal(found.error());
  struct Limit {
    std::string id, model;
  };
  std::vector<Limit> limits;
  for (const auto& model : call.services.models.All())
    limits.push_back({api::RateLimitId(model->name()), model->name()});
  return api::Write(PageOf(limits, query->after, query->limit, [&](const Limit& limit) {
    return api::Write(ToWire(limit.model, call.services.projects.LimitsOf(project, limit.model)));
  }));
}

api::Parsed<std::string> UpdateRateLimit(const AdminCall& call) {
  auto body = api::ParseRateLimitBody(call.http.body, Options());
  if (!body) return std::move(body).error();
  const std::string project = call.Param("project"), id = call.Param("limit");
  const std::string name = id.starts_with("rl-") ? id.substr(3) : std::string();
  const auto model = call.services.models.Find(name);
  if (!model) return ToRefusal(NotFound("there is no rate limit " + id));
  const auto rate = [](const std::optional<int64_t>& asked) {
    return asked && *asked >= api::kUnlimitedRate ? std::optional<int64_t>(0) : asked;
  };
  const auto limits = call.services.projects.SetLimits(
      project, model->name(),
      {rate(body->requests_per_minute), rate(body->tokens_per_minute),
       rate(body->requests_per_day)},
      call.now, ChangeBy(call));
  if (!limits) return ToRefusal(limits.error());
  return api::Write(ToWire(model->name(), *limits));
}

}  // namespace infe::server
