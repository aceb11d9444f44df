#include "model/forward.h"

#include "model/parts/residual.h"

namespace infe::model {

Schedule::Schedule(const ModelParts& parts) {
  Append(*parts.embed);
  if (parts.per_layer_inputs != nullptr) Append(*parts.per_layer_inputs);
  const LayerParts* last_mixing = nullptr;
  for (const LayerParts& layer : parts.layers) {
    if (layer.mixer != nullptr) last_mixing = &layer;
  }
  for (const LayerParts& layer : parts.layers) {
    AppendMixers(layer, &layer == last_mixing);
    if (layer.feed_forward != nullptr) Append(*layer.feed_forward);
    if (layer.per_layer != nullptr) Append(*layer.per_layer);
  }
  Append(parts.last());
}

void Schedule::Append(const Part& part) {
  for (Phase phase : part.phases()) {
    phase.drops_rows = false;
    entries_.push_back({&part, phase});
  }
}

void Schedule::AppendMixers(const LayerParts& layer, bool last) {
  std::vector<Entry> adding;
  for (const Part* part : {layer.mixer.get(), layer.beside.get()}) {
    if (part == nullptr) continue;
    bool drops = false;
    for (Phase phase : part->phases()) {
      drops |= phase.drops_rows;
      phase.drops_rows &= last;
      (drops ? adding : entries_).push_back({part, phase});
    }
  }
  entries_.insert(entries_.end(), adding.begin(), adding.end());
}

void Schedule::Run(Worker& worker, const Step& step, PhaseCursors& cursors,
                   PhaseTimes* times) const {
  const bool main = worker.index() == 0;
  const ResidualBuffers& residual = step.model.residual;
  const Buffers& shared = step.scratch.shared;
  Lane lane{.worker = worker,
            .own = step.scratch.threads[worker.index()],
            .rows = static_cast<uint32_t>(step.plan.rows.size()),
            .x = shared.Floats(residual.x[0]),
            .x_next = shared.Floats(residual.x[1])};
  PhaseClock clock(main ? times : nullptr);
  for (size_t i = 0; i < entries_.size(); ++i) {
    const auto& [part, phase] = entries_[i];
    if (phase.drops_rows && step.plan.wanted.size() < lane.rows) {
      if (step.plan.wanted.empty()) return;
      DropUnwantedRows(lane, step);
    }
    lane.cursor = &cursors[i % cursors.size()];
    phase.run(*part, lane, step);
    if (i + 1 < entries_.size()) {  // the end of the run is the last barrier
      worker.Barrier();
      if (main) lane.cursor->Reset();
    }
    clock.Lap(phase.time);
  }
}

}  // namespace infe::model
