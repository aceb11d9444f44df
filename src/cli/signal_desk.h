// Takes the signals of `infe serve`, from before it loads to its end, on a thread of its own: a
// model that takes long to load, a reload, a database that does not answer or a thread that is
// stuck keeps no signal waiting. Ends the process where StopPlan says so.
#pragma once

#include <memory>

#include "server/app.h"

namespace infe::cli {

class SignalDesk {
 public:
  // Blocks SIGINT, SIGTERM, SIGHUP and SIGUSR1 in the calling thread and all that it starts later.
  // One per process, as it lives to its end.
  SignalDesk();

  // The server is there: a second signal hurries it. It outlives the call of Closing.
  void Serving(server::App& app);
  // The next signal for the server to act on: SIGHUP, SIGUSR1, or the first that stops it.
  int Next();
  // The server is about to go.
  void Closing();

 private:
  struct Shared;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace infe::cli
