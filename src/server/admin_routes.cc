#include "server/admin_routes.h"

#include "server/handlers/admin.h"

namespace infe::server {

namespace {

using store::KeyScope;

void Add(Services& services, http::Router& router, const char* method, const std::string& path,
         KeyScope scope, AdminHandler handler) {
  router.Add(method, "/v1/organization/" + path,
             [&services, scope, handler](http::HttpRequest request, WriterPtr writer) {
               RunAdmin(services, std::move(request), std::move(writer), scope, handler);
             });
}

}  // namespace

void AddUsageRoutes(Services& services, http::Router& router) {
  Add(services, router, "GET", "usage/completions", KeyScope::kAdminUsage, ListUsage);
  Add(services, router, "GET", "costs", KeyScope::kAdminUsage, ListCosts);
}

void AddAdminRoutes(Services& services, http::Router& router) {
  const auto add = [&](const char* method, const std::string& path, KeyScope scope,
                       AdminHandler handler) {
    Add(services, router, method, path, scope, handler);
  };
  const auto keys = KeyScope::kAdminKeys;
  add("GET", "projects", keys, ListProjects);
  add("POST", "projects", keys, CreateProject);
  add("GET", "projects/{project}", keys, GetProject);
  add("POST", "projects/{project}", keys, UpdateProject);
  add("POST", "projects/{project}/archive", keys, ArchiveProject);
  add("GET", "projects/{project}/rate_limits", keys, ListRateLimits);
  add("POST", "projects/{project}/rate_limits/{limit}", keys, UpdateRateLimit);
  add("GET", "projects/{project}/service_accounts", keys, ListServiceAccounts);
  add("POST", "projects/{project}/service_accounts", keys, CreateServiceAccount);
  add("GET", "projects/{project}/service_accounts/{account}", keys, GetServiceAccount);
  add("POST", "projects/{project}/service_accounts/{account}", keys, UpdateServiceAccount);
  add("DELETE", "projects/{project}/service_accounts/{account}", keys, DeleteServiceAccount);
  add("GET", "projects/{project}/api_keys", keys, ListProjectKeys);
  add("GET", "projects/{project}/api_keys/{key}", keys, GetProjectKey);
  add("POST", "projects/{project}/api_keys/{key}", keys, UpdateProjectKey);
  add("DELETE", "projects/{project}/api_keys/{key}", keys, DeleteProjectKey);
  add("GET", "admin_api_keys", keys, ListAdminKeys);
  add("POST", "admin_api_keys", keys, CreateAdminKey);
  add("GET", "admin_api_keys/{key}", keys, GetAdminKey);
  add("DELETE", "admin_api_keys/{key}", keys, DeleteAdminKey);
  AddUsageRoutes(services, router);
  add("GET", "audit_logs", KeyScope::kAdminServer, ListAudit);
}

}  // namespace infe::server
