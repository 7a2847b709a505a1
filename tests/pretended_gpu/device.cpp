// A CUDA device without a GPU: its memory is the host's, its kernels are those of the CPU build of torch.
//
// Tensors on it have device, dispatch key and random generators of CUDA, so that autograd, autocast, vmap and Python
// treat them as such. Every kernel is one boxed fallback: it takes the arguments as CPU tensors over the same memory,
// calls the CPU's kernel, and returns the results as tensors on the device. On the way it raises what a GPU raises: on
// tensors of two devices, and, while a step is captured, on whatever waits for the device or is frozen in the graph.
//
// To be loaded before torch, whose hooks are looked up once.
#include "calls.h"

#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace {
using namespace pretended;

// Kernels that draw from the default generator, without one among their arguments, draw from that of the device.
class DefaultGeneratorOfDevice {
 public:
  explicit DefaultGeneratorOfDevice(HostCall& call)
      : generator_(at::detail::getDefaultCPUGenerator()), state_(generator_.get_state()) {
    auto seeded = call.host_generator(default_generator());
    generator_.set_current_seed(seeded.current_seed());
  }
  ~DefaultGeneratorOfDevice() {
    generator_.set_state(state_);
  }
  DefaultGeneratorOfDevice(const DefaultGeneratorOfDevice&) = delete;
  DefaultGeneratorOfDevice& operator=(const DefaultGeneratorOfDevice&) = delete;

 private:
  at::Generator generator_;
  at::Tensor state_;
};

// Operations that mix bf16 weights and float32 statistics on a GPU, as vmap makes them, but not on a CPU.
const std::unordered_set<std::string> runs_in_float32 = {"aten::native_batch_norm", "aten::native_batch_norm_backward"};

void run_on_host(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const size_t count = op.schema().arguments().size();
  const size_t first = stack->size() - count;
  HostCall call(op, *stack);
  for (size_t index = first; index < stack->size(); ++index) {
    (*stack)[index] = call.to_host((*stack)[index]);
  }
  call.check();
  const IValue target = count > 0 ? (*stack)[first] : IValue(), source = count > 1 ? (*stack)[first + 1] : IValue();
  std::optional<c10::ScalarType> reduced;
  if (runs_in_float32.count(op.schema().name())) {
    for (size_t index = first; index < stack->size(); ++index) {
      auto& value = (*stack)[index];
      if (value.isTensor() && value.toTensor().defined() && c10::isReducedFloatingType(value.toTensor().scalar_type())) {
        reduced = value.toTensor().scalar_type();
        value = value.toTensor().to(at::kFloat);
      }
    }
  }
  {
    std::optional<DefaultGeneratorOfDevice> drawing;
    if (!call.has_drawn() && op.hasTag(at::Tag::nondeterministic_seeded)) {
      drawing.emplace(call);
    }
    op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  }
  call.queue_copy(target, source);
  call.write_back();
  if (reduced) {
    auto& result = (*stack)[stack->size() - op.schema().returns().size()];
    result = result.toTensor().to(*reduced);
  }
  for (size_t index = stack->size() - op.schema().returns().size(); index < stack->size(); ++index) {
    (*stack)[index] = call.to_device((*stack)[index]);
  }
}

TORCH_LIBRARY_IMPL(_, CUDA, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  // These have one implementation for all devices, which would look for parts of CUDA's.
  for (const char* name : {"copy_", "convolution", "convolution_backward"}) {
    library.impl(name, torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
  }
}

// ---- what libtorch asks of a device

struct PretendedGuard final : c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::CUDA> {
  c10::Device exchangeDevice(c10::Device) const override {
    return pretended::gpu;
  }
  c10::Device getDevice() const override {
    return pretended::gpu;
  }
  c10::Stream getStream(c10::Device) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, pretended::gpu);
  }
  c10::Stream getNewStream(c10::Device, int = 0) const override {
    return c10::Stream(c10::Stream::DEFAULT, pretended::gpu);
  }
  c10::Stream exchangeStream(c10::Stream) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, pretended::gpu);
  }
  void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override {
    return true;
  }
};

const PretendedGuard guard;
const c10::impl::DeviceGuardImplRegistrar registrar(c10::DeviceType::CUDA, &guard);
} // namespace

namespace at {
// The registry knows it by this name.
struct CUDAHooks : CUDAHooksInterface {
  explicit CUDAHooks(CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDA() const override {
    return true;
  }
  bool isBuilt() const override {
    return true;
  }
  bool isAvailable() const override {
    return true;
  }
  bool hasPrimaryContext(DeviceIndex) const override {
    return true;
  }
  DeviceIndex deviceCount() const override {
    return 1;
  }
  DeviceIndex getCurrentDevice() const override {
    return 0;
  }
  bool isPinnedPtr(const void* pointer) const override {
    return pretended::pinned().holds(pointer);
  }
  Allocator* getPinnedMemoryAllocator() const override {
    return &pretended::pinned();
  }
  const Generator& getDefaultGenerator(DeviceIndex = -1) const override {
    return pretended::default_generator();
  }
  Generator getNewGenerator(DeviceIndex = -1) const override {
    return pretended::new_generator();
  }
};
REGISTER_CUDA_HOOKS(CUDAHooks);
} // namespace at

// ---- called from Python, through ctypes

extern "C" {
// Let the next generator that is made on the device be the default one.
void next_generator_is_default() {
  default_is_wanted = true;
}

// Begin a capture, in which steps may draw from these generators: torch.Generator._cdata.
void begin_capture(const uint64_t* generators, size_t count) {
  std::vector<Generator*> registered;
  for (size_t index = 0; index < count; ++index) {
    registered.push_back(reinterpret_cast<Generator*>(generators[index]));
  }
  pretended::begin_capture(registered);
}

// End it; false where it is invalid.
bool end_capture() {
  return pretended::end_capture();
}

// The host has asked CUDA to wait, which the debug mode does not hear of; false in a capture, which is invalid then.
bool wait_for_copies(uint64_t number) {
  if (capturing && std::this_thread::get_id() == capture_thread) {
    invalidated = true;
    return false;
  }
  copies().end(number);
  return true;
}

uint64_t latest_copy() {
  return copies().latest();
}

uint64_t take_overwritten() {
  return copies().take_overwritten();
}

void set_sync_debug_mode(int mode) {
  sync_debug_mode = mode;
}
}
