// Who may have a connection. Slots are bounded in all, per address and per IPv6 site; at a bound a
// newcomer is not turned away while somebody sits on a slot without need: the oldest connection
// that has proved nothing gives its slot up, and when all have proved something the one that has
// been idle longest. So whoever opens thousands of connections and is silent (or is at a TLS
// handshake, or sends half a head) displaces himself.
//
//   kSilent --Vouch--> kBusy <--SetBusy / SetIdle--> kIdle
//      |                                              |
//      +-----> kRecycled (its slot is another's) <----+
//
// Addresses on which somebody was vouched for lately have slots that strangers cannot fill. What
// vouches for a connection is the HeadHook's business.
//
// Any thread. Every call is a few hash look-ups and list operations under one mutex.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "http/limits.h"
#include "http/socket.h"

namespace infe::http {

class ConnectionSlot;

class ConnectionSlots {
 public:
  using Clock = std::chrono::steady_clock;

  // limits: borrowed.
  explicit ConnectionSlots(const HttpLimits& limits) : limits_(limits) {}
  ConnectionSlots(const ConnectionSlots&) = delete;
  ConnectionSlots& operator=(const ConnectionSlots&) = delete;

  // A slot, which must not outlive this, or null: every slot is in use.
  std::unique_ptr<ConnectionSlot> Admit(const PeerAddress& peer, Clock::time_point now);

  // Connections that were taken their slot.
  uint64_t recycled() const;
  // Slots that are held; those of recycled connections are not.
  size_t held() const;

 private:
  friend class ConnectionSlot;

  // What a bound counts, oldest first in both lists.
  struct Scope {
    uint32_t all = 0;
    std::list<ConnectionSlot*> silent;
    std::list<ConnectionSlot*> idle;
  };
  using Scopes = std::unordered_map<std::string, Scope>;
  struct Bounds {
    uint32_t all = 0;
    uint32_t silent = 0;
  };

  // All that follows REQUIRES: mutex_ is held.
  bool IsKnown(const std::string& group, Clock::time_point now) const;
  void Know(const std::string& group, Clock::time_point now);
  uint32_t StrangersMax() const;
  static bool CanMakeRoom(const Scope& scope, uint32_t all_max);
  static Scope* Find(Scopes& scopes, const std::string& name);
  void MakeRoom(Scope* scope, Bounds bounds);
  void MakeRoomInAll();
  void Recycle(ConnectionSlot& victim);
  void Enter(ConnectionSlot& slot, Scope& scope, size_t which);
  void LeaveScope(ConnectionSlot& slot, size_t which);
  void LeaveAll(ConnectionSlot& slot);

  const HttpLimits& limits_;
  mutable std::mutex mutex_;
  Scope total_;
  Scope strangers_;  // nobody has vouched for them, nor for their address lately
  Scopes by_group_;  // addresses that have a bound of their own
  Scopes by_site_;   // the same for IPv6 /56
  uint64_t recycled_ = 0;
  // Groups of addresses by the time they were last vouched for, oldest first.
  struct Known {
    std::string group;
    Clock::time_point since;
  };
  std::list<Known> known_;
  std::unordered_map<std::string, std::list<Known>::iterator> known_by_group_;
};

// One connection's slot, from its accept to its end.
class ConnectionSlot {
 public:
  ~ConnectionSlot();
  ConnectionSlot(const ConnectionSlot&) = delete;
  ConnectionSlot& operator=(const ConnectionSlot&) = delete;

  // Runs once, if the slot is taken away: at once if that has happened already. Called with the
  // mutex of all slots held, by any thread: it must post, not work.
  void WhenRecycled(std::function<void()> told);

  // A request on the connection has shown who sent it. Again: only renews the address.
  void Vouch(ConnectionSlots::Clock::time_point now);
  // Of a connection that was vouched for, otherwise without effect: it waits for a request, or
  // serves one.
  void SetIdle() { Move(State::kBusy, State::kIdle); }
  void SetBusy() { Move(State::kIdle, State::kBusy); }

 private:
  friend class ConnectionSlots;
  enum class State : uint8_t { kSilent, kBusy, kIdle, kRecycled };
  // The places of scopes_.
  static constexpr size_t kAll = 0, kStrangers = 1, kGroup = 2, kSite = 3, kScopes = 4;

  ConnectionSlot(ConnectionSlots& slots, const PeerAddress& peer)
      : slots_(slots), group_(peer.group), site_(peer.site) {}
  void Move(State from, State to);
  // The list of the scope that holds slots of this one's state; null for kBusy and kRecycled.
  std::list<ConnectionSlot*>* ListOf(ConnectionSlots::Scope& scope) const;
  void Change(State to);  // REQUIRES: the mutex of slots_ is held

  ConnectionSlots& slots_;
  const std::string group_, site_;
  // Guarded by the mutex of slots_.
  State state_ = State::kSilent;
  std::function<void()> told_;
  std::array<ConnectionSlots::Scope*, kScopes> scopes_{};
  std::array<std::list<ConnectionSlot*>::iterator, kScopes> places_{};
};

}  // namespace infe::http
