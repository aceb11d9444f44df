// The answering side of one request. Every method may be called from any thread: it hands its work
// to the connection's loop and returns at once. Answer in one of two ways:
//
//   writer->Send({200, headers, body});
//   writer->StartStream(200, headers); writer->Write(event); ...; writer->End();
//
//            Send, or StartStream .. End
//   open ------------------------------------> ended
//     |  client left, write stall, Abort, server shut down
//     +--------------------------------------> closed   (OnClose runs)
//
// After either end every call is a no-op. A writer that is destroyed while open answers 500 (or
// cuts the stream), so a lost request never hangs its client. Callbacks run on the connection's
// loop, must not block, and are destroyed at the end: they may hold the writer itself.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

#include "http/message.h"

namespace infe::http {

class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;

  // The whole answer, with Content-Length. Only the first of Send and StartStream counts.
  virtual void Send(HttpResponse response) = 0;

  // Starts an answer of unknown length: chunked, or ended by close for HTTP/1.0 clients.
  virtual void StartStream(int status, Headers headers) = 0;
  // Adds to the stream. What is written before the loop comes round goes out in one system call.
  // False when it can no longer be delivered: ended, closed, or over output_bytes_max.
  virtual bool Write(std::string data) = 0;
  virtual void End() = 0;

  // Closes the connection without a proper end: a stream cut so is seen as cut by the client.
  virtual void Abort() = 0;

  // The client went away (or was cut off) before the answer ended: called once, within
  // milliseconds, also while nothing is read or written. At once if that has happened already.
  virtual void OnClose(std::function<void()> callback) = 0;
  // The client reads too slowly: more than output_high_mark_bytes wait. Then, at half of it,
  // resume.
  virtual void OnPause(std::function<void()> callback) = 0;
  virtual void OnResume(std::function<void()> callback) = 0;

  // Bytes written but not yet taken by the kernel.
  virtual size_t buffered_bytes() const = 0;
  // False once ended or closed.
  virtual bool is_open() const = 0;

  // Runs on the connection's loop, in the order of the calls. Dropped if the server has stopped.
  virtual void Post(std::function<void()> task) = 0;
  // The same, later; not run once this answer has ended or closed.
  virtual void RunAfter(std::chrono::milliseconds delay, std::function<void()> task) = 0;
};

}  // namespace infe::http
