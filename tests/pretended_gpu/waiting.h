// What the host waits for: captures, in which it must not; the debug mode that tells; copies that are not waited for.
#pragma once

#include "generators.h"

#include <ATen/EmptyTensor.h>
#include <ATen/Tensor.h>
#include <c10/core/CPUAllocator.h>

#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace pretended {
// ---- page-locked memory

class PinnedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    auto* memory = new c10::DataPtr(c10::GetCPUAllocator()->allocate(bytes));
    void* start = memory->get();
    const std::lock_guard<std::mutex> guard(lock_);
    ranges_[start] = {bytes, memory};
    return {start, start, &PinnedAllocator::release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override {
    return &PinnedAllocator::release;
  }
  void copy_data(void* target, const void* source, size_t bytes) const override {
    default_copy_data(target, source, bytes);
  }
  bool holds(const void* pointer) {
    const std::lock_guard<std::mutex> guard(lock_);
    auto after = ranges_.upper_bound(const_cast<void*>(pointer));
    if (after == ranges_.begin()) {
      return false;
    }
    const auto& [start, range] = *--after;
    return static_cast<const char*>(pointer) < static_cast<const char*>(start) + range.first;
  }

 private:
  static void release(void* start);

  std::mutex lock_;
  std::map<void*, std::pair<size_t, c10::DataPtr*>> ranges_;
};

inline PinnedAllocator& pinned() {
  static auto* allocator = new PinnedAllocator(); // storages may outlive every other static
  return *allocator;
}

inline void PinnedAllocator::release(void* start) {
  const std::lock_guard<std::mutex> guard(pinned().lock_);
  const auto found = pinned().ranges_.find(start);
  delete found->second.second;
  pinned().ranges_.erase(found);
}

// ---- copies that the host does not wait for

// From the host: the memory must not change before the copy has ended. To it: until then, the memory holds nothing.
class Copies {
 public:
  void add(const at::Tensor& host, bool to_host) {
    const std::lock_guard<std::mutex> guard(lock_);
    auto* start = static_cast<char*>(host.mutable_data_ptr());
    const size_t bytes = at::detail::computeStorageNbytes(host.sizes(), host.strides(), host.itemsize());
    pending_.push_back({++latest_, host, start, std::string(start, bytes), to_host});
    if (to_host) {
      std::memset(start, 0xA5, bytes);
    }
  }
  uint64_t latest() {
    const std::lock_guard<std::mutex> guard(lock_);
    return latest_;
  }
  // All copies up to this number have ended.
  void end(uint64_t number = UINT64_MAX) {
    const std::lock_guard<std::mutex> guard(lock_);
    while (!pending_.empty() && pending_.front().number <= number) {
      const auto& copy = pending_.front();
      if (copy.to_host) {
        std::memcpy(copy.start, copy.content.data(), copy.content.size());
      } else if (std::memcmp(copy.start, copy.content.data(), copy.content.size()) != 0) {
        ++num_overwritten_;
      }
      pending_.erase(pending_.begin());
    }
  }
  // Copies from memory that has been changed before they ended, since the last call.
  uint64_t take_overwritten() {
    end();
    return num_overwritten_.exchange(0);
  }

 private:
  struct Copy {
    uint64_t number;
    at::Tensor host;
    char* start;
    std::string content;
    bool to_host;
  };
  std::mutex lock_;
  std::vector<Copy> pending_;
  uint64_t latest_ = 0;
  std::atomic<uint64_t> num_overwritten_{0};
};

inline Copies& copies() {
  static auto* all = new Copies();
  return *all;
}

// ---- captures

inline std::atomic<bool> invalidated{false};
inline std::mutex capture_lock;
inline std::thread::id capture_thread; // other threads may wait meanwhile: mode "thread_local"
inline std::vector<std::shared_ptr<Generator::State>> registered;

inline void begin_capture(const std::vector<Generator*>& generators) {
  const std::lock_guard<std::mutex> guard(capture_lock);
  for (const auto* generator : generators) {
    registered.push_back(generator->shared_state());
    registered.back()->in_capture = true;
  }
  capture_thread = std::this_thread::get_id();
  invalidated = false;
  capturing = true;
}

// False where the capture is invalid; generators then stay in it, as in torch 2.11.
inline bool end_capture() {
  const std::lock_guard<std::mutex> guard(capture_lock);
  capturing = false;
  for (const auto& state : registered) {
    state->in_capture = invalidated;
  }
  registered.clear();
  return !invalidated;
}

// ---- what makes the host wait

// As torch.cuda.set_sync_debug_mode: 0 nothing, 1 warn, 2 raise.
inline std::atomic<int> sync_debug_mode{0};

// The host is to wait for all that is queued; the debug mode hears of it before CUDA does.
inline void host_waits(const std::string& op) {
  TORCH_CHECK(sync_debug_mode != 2, "called a synchronizing CUDA operation");
  if (sync_debug_mode == 1) {
    TORCH_WARN("called a synchronizing CUDA operation");
  }
  if (capturing) {
    invalidated = true;
    TORCH_CHECK(
        false, "operation not permitted when stream is capturing: ", op, " makes the host wait for the device");
  }
  copies().end();
}
} // namespace pretended
