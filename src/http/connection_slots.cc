#include "http/connection_slots.h"

#include <algorithm>
#include <utility>

namespace infe::http {

std::unique_ptr<ConnectionSlot> ConnectionSlots::Admit(const PeerAddress& peer,
                                                       Clock::time_point now) {
  const bool bounded = limits_.IsBounded(peer.text);
  const Bounds of_group{limits_.connections_per_address_max, limits_.unproven_per_address_max};
  const Bounds of_site{limits_.connections_per_site_max, limits_.unproven_per_site_max};
  const Bounds of_strangers{StrangersMax(), StrangersMax()};

  const std::lock_guard lock(mutex_);
  // Whether there is a way is asked before anybody loses a slot for it.
  if (!CanMakeRoom(total_, limits_.connections_max)) return nullptr;
  if (bounded) {
    const Scope* const group = Find(by_group_, peer.group);
    const Scope* const site = Find(by_site_, peer.site);
    if (group != nullptr && !CanMakeRoom(*group, of_group.all)) return nullptr;
    if (site != nullptr && !CanMakeRoom(*site, of_site.all)) return nullptr;
    // Looked up again each time: a scope goes with its last connection.
    MakeRoom(Find(by_group_, peer.group), of_group);
    MakeRoom(Find(by_site_, peer.site), of_site);
  }
  const bool stranger = !IsKnown(peer.group, now);
  if (stranger) MakeRoom(&strangers_, of_strangers);
  MakeRoomInAll();

  std::unique_ptr<ConnectionSlot> slot(new ConnectionSlot(*this, peer));
  Enter(*slot, total_, ConnectionSlot::kAll);
  if (stranger) Enter(*slot, strangers_, ConnectionSlot::kStrangers);
  if (bounded) Enter(*slot, by_group_[peer.group], ConnectionSlot::kGroup);
  if (bounded && !peer.site.empty()) Enter(*slot, by_site_[peer.site], ConnectionSlot::kSite);
  return slot;
}

uint64_t ConnectionSlots::recycled() const {
  const std::lock_guard lock(mutex_);
  return recycled_;
}

size_t ConnectionSlots::held() const {
  const std::lock_guard lock(mutex_);
  return total_.all;
}

// A server with few connections keeps at most a quarter of them back.
uint32_t ConnectionSlots::StrangersMax() const {
  const uint32_t reserve = std::min(limits_.connections_reserved, limits_.connections_max / 4);
  return limits_.connections_max - reserve;
}

bool ConnectionSlots::IsKnown(const std::string& group, Clock::time_point now) const {
  const auto found = known_by_group_.find(group);
  return found != known_by_group_.end() && now - found->second->since < limits_.known_address_time;
}

void ConnectionSlots::Know(const std::string& group, Clock::time_point now) {
  if (const auto found = known_by_group_.find(group); found != known_by_group_.end()) {
    found->second->since = now;
    known_.splice(known_.end(), known_, found->second);
    return;
  }
  if (known_.size() >= limits_.known_addresses_max) {
    known_by_group_.erase(known_.front().group);
    known_.pop_front();
  }
  known_by_group_[group] = known_.insert(known_.end(), {group, now});
}

bool ConnectionSlots::CanMakeRoom(const Scope& scope, uint32_t all_max) {
  return scope.all < all_max || !scope.silent.empty() || !scope.idle.empty();
}

ConnectionSlots::Scope* ConnectionSlots::Find(Scopes& scopes, const std::string& name) {
  const auto found = scopes.find(name);
  return found == scopes.end() ? nullptr : &found->second;
}

// At most one goes: the newcomer is one, and so was everyone before.
void ConnectionSlots::MakeRoom(Scope* scope, Bounds bounds) {
  if (scope == nullptr) return;
  if (scope->silent.size() < bounds.silent && scope->all < bounds.all) return;
  if (!scope->silent.empty()) return Recycle(*scope->silent.front());
  if (!scope->idle.empty()) Recycle(*scope->idle.front());
}

void ConnectionSlots::MakeRoomInAll() {
  if (total_.all < limits_.connections_max) return;
  if (!strangers_.silent.empty()) return Recycle(*strangers_.silent.front());
  MakeRoom(&total_, {limits_.connections_max, limits_.connections_max});
}

void ConnectionSlots::Recycle(ConnectionSlot& victim) {
  LeaveAll(victim);
  victim.state_ = ConnectionSlot::State::kRecycled;
  ++recycled_;
  if (victim.told_) victim.told_();
}

void ConnectionSlots::Enter(ConnectionSlot& slot, Scope& scope, size_t which) {
  ++scope.all;
  slot.scopes_[which] = &scope;
  slot.places_[which] = scope.silent.insert(scope.silent.end(), &slot);
}

void ConnectionSlots::LeaveScope(ConnectionSlot& slot, size_t which) {
  Scope* const scope = std::exchange(slot.scopes_[which], nullptr);
  if (scope == nullptr) return;
  if (auto* const list = slot.ListOf(*scope)) list->erase(slot.places_[which]);
  --scope->all;
  if (scope->all > 0) return;
  if (which == ConnectionSlot::kGroup) by_group_.erase(slot.group_);
  if (which == ConnectionSlot::kSite) by_site_.erase(slot.site_);
}

void ConnectionSlots::LeaveAll(ConnectionSlot& slot) {
  for (size_t which = 0; which < ConnectionSlot::kScopes; ++which) LeaveScope(slot, which);
}

ConnectionSlot::~ConnectionSlot() {
  const std::lock_guard lock(slots_.mutex_);
  slots_.LeaveAll(*this);
}

void ConnectionSlot::WhenRecycled(std::function<void()> told) {
  const std::lock_guard lock(slots_.mutex_);
  told_ = std::move(told);
  if (state_ == State::kRecycled) told_();
}

void ConnectionSlot::Vouch(ConnectionSlots::Clock::time_point now) {
  const std::lock_guard lock(slots_.mutex_);
  if (state_ == State::kRecycled) return;
  slots_.Know(group_, now);
  if (state_ != State::kSilent) return;
  slots_.LeaveScope(*this, kStrangers);
  Change(State::kBusy);
}

void ConnectionSlot::Move(State from, State to) {
  const std::lock_guard lock(slots_.mutex_);
  if (state_ == from) Change(to);
}

std::list<ConnectionSlot*>* ConnectionSlot::ListOf(ConnectionSlots::Scope& scope) const {
  switch (state_) {
    case State::kSilent:
      return &scope.silent;
    case State::kIdle:
      return &scope.idle;
    case State::kBusy:
    case State::kRecycled:
      break;
  }
  return nullptr;
}

void ConnectionSlot::Change(State to) {
  const auto for_each_scope = [this](auto&& act) {
    for (size_t which = 0; which < kScopes; ++which) {
      if (scopes_[which] == nullptr) continue;
      if (auto* const list = ListOf(*scopes_[which])) act(*list, places_[which]);
    }
  };
  for_each_scope([](auto& list, auto& place) { list.erase(place); });
  state_ = to;
  for_each_scope([this](auto& list, auto& place) { place = list.insert(list.end(), this); });
}

}  // namespace infe::http
