// Random streams of the pretended device, with the states of captures as in torch 2.11.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/ops/empty.h>
#include <c10/core/GeneratorImpl.h>

#include <atomic>
#include <memory>

namespace pretended {
const c10::Device gpu(c10::DeviceType::CUDA, 0);

// Whether a step is being captured: on the only stream that works are queued on.
inline std::atomic<bool> capturing{false};

// A counter-based stream, as Philox is: its whole state is a seed and an offset, 16 bytes.
struct Generator final : c10::GeneratorImpl {
  // What graphs register: generators may exchange it, and a clone of it is not in a capture.
  struct State {
    uint64_t seed = c10::default_rng_seed_val;
    uint64_t offset = 0;
    bool in_capture = false;
  };

  explicit Generator(std::shared_ptr<State> state = std::make_shared<State>())
      : GeneratorImpl(gpu, c10::DispatchKeySet(c10::DispatchKey::CUDA)), state_(std::move(state)) {}

  void set_current_seed(uint64_t seed) override {
    state_->seed = seed;
    state_->offset = 0;
  }
  uint64_t current_seed() const override {
    return state_->seed;
  }
  uint64_t seed() override {
    set_current_seed(c10::detail::getNonDeterministicRandom(true));
    return state_->seed;
  }
  void set_offset(uint64_t offset) override {
    state_->offset = offset;
  }
  uint64_t get_offset() const override {
    return state_->offset;
  }
  void set_state(const c10::TensorImpl& state) override {
    TORCH_CHECK(state.numel() == 2 * sizeof(uint64_t), "RNG state is wrong size");
    const auto* numbers = static_cast<const uint64_t*>(state.data());
    state_->seed = numbers[0];
    state_->offset = numbers[1];
  }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
    auto state = at::empty({2 * sizeof(uint64_t)}, at::TensorOptions().dtype(at::kByte));
    auto* numbers = static_cast<uint64_t*>(state.mutable_data_ptr());
    numbers[0] = state_->seed;
    numbers[1] = state_->offset;
    return state.getIntrusivePtr();
  }
  void graphsafe_set_state(const c10::intrusive_ptr<c10::GeneratorImpl>& other) override {
    state_ = static_cast<Generator*>(other.get())->state_;
  }
  c10::intrusive_ptr<c10::GeneratorImpl> graphsafe_get_state() const override {
    return c10::make_intrusive<Generator>(state_);
  }
  Generator* clone_impl() const override {
    return new Generator(std::make_shared<State>(State{state_->seed, state_->offset, false}));
  }

  const std::shared_ptr<State>& shared_state() const {
    return state_;
  }

  // The seed of the CPU's generator for the next draw.
  uint64_t advance(const std::string& op) {
    TORCH_CHECK(
        state_->in_capture || !capturing, "Attempt to increase offset for a CUDA generator not in capture mode. (", op,
        ")");
    TORCH_CHECK(
        !state_->in_capture || capturing, "Offset increment outside graph capture encountered unexpectedly. (", op, ")");
    state_->offset += 4;
    return (state_->seed + 0x9E3779B97F4A7C15ULL * state_->offset) ^ (state_->seed >> 29);
  }

 private:
  std::shared_ptr<State> state_;
};

inline const at::Generator& default_generator() {
  static const at::Generator generator = at::make_generator<Generator>();
  return generator;
}

// Set while Python makes its object of the default generator.
inline std::atomic<bool> default_is_wanted{false};

inline at::Generator new_generator() {
  TORCH_CHECK(!capturing, "Cannot construct a new CUDAGeneratorImpl during CUDA graph capture.");
  return default_is_wanted.exchange(false) ? default_generator() : at::make_generator<Generator>();
}
} // namespace pretended
