// The administration endpoints. Each runs on a task thread, as it waits for the database, and
// returns the body of its answer; endpoints.cc names them all.
#pragma once

#include <string>
#include <utility>

#include "api/openai/admin_objects.h"
#include "api/parsed.h"
#include "server/door/caller.h"
#include "server/handlers/handlers.h"

namespace infe::server {

struct AdminCall {
  Services& services;
  const http::HttpRequest& http;
  const Caller& caller;  // with a key
  int64_t now = 0;       // Unix seconds

  std::string Param(std::string_view name) const { return std::string(http.PathParam(name)); }
};
using AdminHandler = api::Parsed<std::string> (*)(const AdminCall&);

// I/O thread. The head hook has let the key in, by the scopes of the row.
void RunAdmin(Services& services, http::HttpRequest request, WriterPtr writer,
              AdminHandler handler);
// As the table of endpoints takes it.
template <AdminHandler kHandler>
void Administer(Services& services, http::HttpRequest request, WriterPtr writer) {
  RunAdmin(services, std::move(request), std::move(writer), kHandler);
}

// Who makes the change, for the audit log.
store::ChangeBy ChangeBy(const AdminCall& call);

api::Parsed<std::string> ListProjects(const AdminCall& call);
api::Parsed<std::string> CreateProject(const AdminCall& call);
api::Parsed<std::string> GetProject(const AdminCall& call);
api::Parsed<std::string> UpdateProject(const AdminCall& call);
api::Parsed<std::string> ArchiveProject(const AdminCall& call);
api::Parsed<std::string> ListRateLimits(const AdminCall& call);
api::Parsed<std::string> UpdateRateLimit(const AdminCall& call);

api::Parsed<std::string> ListServiceAccounts(const AdminCall& call);
api::Parsed<std::string> CreateServiceAccount(const AdminCall& call);
api::Parsed<std::string> GetServiceAccount(const AdminCall& call);
api::Parsed<std::string> UpdateServiceAccount(const AdminCall& call);
api::Parsed<std::string> DeleteServiceAccount(const AdminCall& call);
api::Parsed<std::string> ListProjectKeys(const AdminCall& call);
api::Parsed<std::string> GetProjectKey(const AdminCall& call);
api::Parsed<std::string> UpdateProjectKey(const AdminCall& call);
api::Parsed<std::string> DeleteProjectKey(const AdminCall& call);

api::Parsed<std::string> ListAdminKeys(const AdminCall& call);
api::Parsed<std::string> CreateAdminKey(const AdminCall& call);
api::Parsed<std::string> GetAdminKey(const AdminCall& call);
api::Parsed<std::string> DeleteAdminKey(const AdminCall& call);

api::Parsed<std::string> ListUsage(const AdminCall& call);
api::Parsed<std::string> ListEmbeddingsUsage(const AdminCall& call);
api::Parsed<std::string> ListCosts(const AdminCall& call);
api::Parsed<std::string> ListAudit(const AdminCall& call);

// One page of what `items` are, oldest first, after the one with the id `after`.
template <typename T, typename WriteItem>
api::ListPage PageOf(const std::vector<T>& items, const std::string& after, size_t limit,
                     WriteItem write) {
  api::ListPage page;
  size_t i = 0;
  if (!after.empty()) {
    while (i < items.size() && items[i].id != after) ++i;
    if (i < items.size()) ++i;
  }
  for (; i < items.size(); ++i) {
    if (page.items.size() == limit) {
      page.has_more = true;
      break;
    }
    if (page.items.empty()) page.first_id = items[i].id;
    page.last_id = items[i].id;
    page.items.push_back(write(items[i]));
  }
  return page;
}

}  // namespace infe::server
