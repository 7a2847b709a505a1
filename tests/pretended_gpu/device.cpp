// A CUDA device without a GPU: its memory is the host's, its kernels are those of the CPU build of torch.
//
// Tensors on it have device, dispatch key and random generators of CUDA, so that autograd, autocast, vmap and Python
// treat them as such. Every kernel is one boxed fallback: it takes the arguments as CPU tensors over the same memory,
// calls the CPU's kernel, and returns the results as tensors on the device. On the way it raises what a GPU raises: on
// tensors of two devices, and, while a step is captured, on whatever waits for the device or is frozen in the graph.
//
// To be loaded before torch, whose hooks are looked up once.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/empty.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace {
using c10::IValue;

const c10::Device gpu(c10::DeviceType::CUDA, 0);

// ---- random streams

// A counter-based stream, as Philox is: its whole state is a seed and an offset, 16 bytes.
struct PretendedGenerator final : c10::GeneratorImpl {
  PretendedGenerator() : GeneratorImpl(gpu, c10::DispatchKeySet(c10::DispatchKey::CUDA)) {}

  void set_current_seed(uint64_t seed) override {
    seed_ = seed;
    offset_ = 0;
  }
  uint64_t current_seed() const override {
    return seed_;
  }
  uint64_t seed() override {
    set_current_seed(c10::detail::getNonDeterministicRandom(true));
    return seed_;
  }
  void set_offset(uint64_t offset) override {
    offset_ = offset;
  }
  uint64_t get_offset() const override {
    return offset_;
  }
  void set_state(const c10::TensorImpl& state) override {
    TORCH_CHECK(state.numel() == 2 * sizeof(uint64_t), "RNG state is wrong size");
    const auto* numbers = static_cast<const uint64_t*>(state.data());
    seed_ = numbers[0];
    offset_ = numbers[1];
  }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
    auto state = at::empty({2 * sizeof(uint64_t)}, at::TensorOptions().dtype(at::kByte));
    auto* numbers = static_cast<uint64_t*>(state.mutable_data_ptr());
    numbers[0] = seed_;
    numbers[1] = offset_;
    return state.getIntrusivePtr();
  }
  PretendedGenerator* clone_impl() const override {
    auto* clone = new PretendedGenerator();
    clone->seed_ = seed_;
    clone->offset_ = offset_;
    return clone;
  }
  // The seed of the CPU's generator for the next draw.
  uint64_t advance() {
    offset_ += 4;
    return (seed_ + 0x9E3779B97F4A7C15ULL * offset_) ^ (seed_ >> 29);
  }

 private:
  uint64_t seed_ = c10::default_rng_seed_val;
  uint64_t offset_ = 0;
};

const at::Generator& default_generator() {
  static const at::Generator generator = at::make_generator<PretendedGenerator>();
  return generator;
}

std::atomic<bool> default_is_wanted{false};

at::Generator new_generator() {
  return default_is_wanted.exchange(false) ? default_generator() : at::make_generator<PretendedGenerator>();
}

// ---- the state of a capture

std::atomic<bool> capturing{false};
std::mutex capture_lock;
std::set<uint64_t> registered_seeds;

// ---- what the host waits for

// As torch.cuda.set_sync_debug_mode: 0 nothing, 1 warn, 2 raise.
std::atomic<int> sync_debug_mode{0};

void host_waits() {
  TORCH_CHECK(sync_debug_mode != 2, "called a synchronizing CUDA operation");
  if (sync_debug_mode == 1) {
    TORCH_WARN("called a synchronizing CUDA operation");
  }
}

// ---- tensors

// A storage on the device keeps the CPU's storage of the same bytes in the context of its pointer.
void release(void* context) {
  delete static_cast<c10::Storage*>(context);
}

c10::DataPtr device_pointer(const c10::Storage& host) {
  return {const_cast<void*>(host.data()), new c10::Storage(host), release, gpu};
}

c10::Storage to_device(const c10::Storage& host) {
  return {c10::Storage::use_byte_size_t(), host.nbytes(), device_pointer(host), nullptr, false};
}

const c10::Storage& host_storage(const c10::Storage& storage) {
  TORCH_CHECK(storage.data_ptr().get_deleter() == release, "a storage that the pretended device has not allocated");
  return *static_cast<const c10::Storage*>(storage.data_ptr().get_context());
}

at::Tensor make_tensor(c10::Storage storage, const at::Tensor& like, c10::DispatchKey key) {
  auto tensor = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), like.dtype());
  auto* impl = tensor.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(like.sizes(), like.strides(), like.storage_offset());
  if (like.unsafeGetTensorImpl()->is_wrapped_number()) {
    impl->set_wrapped_number(true);
  }
  return tensor;
}

// ---- one call

// Operations that take tensors of two devices: copies between them, and indices on the host, which are copied first.
const std::unordered_set<std::string> takes_two_devices = {
    "aten::copy_", "aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_",
    "aten::_unsafe_index", "aten::set_",
};
// Operations whose result, or its shape, the host waits for.
const std::unordered_set<std::string> waits_for_device = {
    "aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::masked_select", "aten::_unique2",
    "aten::_unique", "aten::unique_dim", "aten::unique_consecutive", "aten::repeat_interleave", "aten::bincount",
};

// The arguments of a call as the CPU's kernel takes them.
class HostCall {
 public:
  HostCall(const c10::OperatorHandle& op, const torch::jit::Stack& stack) : name_(op.schema().name()) {
    if (name_ == "aten::copy_") {
      const auto& non_blocking = stack.back();
      blocking_ = !non_blocking.toBool();
    }
  }

  IValue to_host(const IValue& value) {
    if (value.isTensor()) {
      return host_tensor(value.toTensor());
    }
    if (value.isTensorList()) {
      c10::List<at::Tensor> tensors;
      for (const at::Tensor tensor : value.toTensorList()) {
        tensors.push_back(host_tensor(tensor));
      }
      return tensors;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> tensors;
      for (const std::optional<at::Tensor> tensor : value.toOptionalTensorList()) {
        tensors.push_back(tensor ? std::optional<at::Tensor>(host_tensor(*tensor)) : std::nullopt);
      }
      return tensors;
    }
    if (value.isDevice()) {
      return value.toDevice() == gpu || value.toDevice() == c10::Device(c10::DeviceType::CUDA) ? at::kCPU
                                                                                               : value.toDevice();
    }
    if (value.isGenerator()) {
      auto generator = value.toGenerator();
      return generator.device().is_cuda() ? IValue(host_generator(generator)) : value;
    }
    if (value.isStorage()) {
      const auto storage = value.toStorage();
      if (!storage.device().is_cuda()) {
        return value;
      }
      storages_.emplace(host_storage(storage).unsafeGetStorageImpl(), storage);
      return host_storage(storage);
    }
    return value;
  }

  IValue to_device(const IValue& value) {
    if (value.isTensor()) {
      return device_tensor(value.toTensor());
    }
    if (value.isTensorList()) {
      c10::List<at::Tensor> tensors;
      for (const at::Tensor tensor : value.toTensorList()) {
        tensors.push_back(device_tensor(tensor));
      }
      return tensors;
    }
    return value;
  }

  // Raises what a GPU raises at arguments on two devices, or in a capture.
  void check() const {
    TORCH_CHECK(
        !(large_on_host_ && num_on_device_) || takes_two_devices.count(name_),
        "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! (", name_, ")");
    TORCH_CHECK(
        !(index_on_device_ && name_.rfind("aten::index", 0) == 0 && first_on_host_),
        "indices should be either on cpu or on the same device as the indexed tensor (cpu)");
    if (!capturing) {
      if (waits_for_device.count(name_) || (on_host_ && num_on_device_ && takes_two_devices.count(name_) && blocking_)) {
        host_waits();
      }
      return;
    }
    TORCH_CHECK(
        !waits_for_device.count(name_), "operation not permitted when stream is capturing: ", name_,
        " makes the host wait for the device");
    TORCH_CHECK(
        !(on_host_ && num_on_device_), "operation not permitted when stream is capturing: ", name_,
        " reads a CPU tensor, whose values would be frozen in the graph, or writes one");
  }

  // Let sizes and storages that the kernel has changed be those of the tensors on the device.
  void write_back() {
    for (auto& [storage, device] : storages_) {
      if (storage->data() != device.data() || storage->nbytes() != device.nbytes()) {
        const c10::Storage host = host_storage(device);
        device.set_data_ptr_noswap(device_pointer(host));
        device.set_nbytes(host.nbytes());
      }
    }
    for (auto& [host, device] : borrowed_) {
      auto* impl = device.unsafeGetTensorImpl();
      const auto& storage = host.storage();
      if (storage.unsafeGetStorageImpl() != host_storage(device.storage()).unsafeGetStorageImpl()) {
        impl->set_storage_keep_dtype(device_storage(storage));
      }
      if (host.sizes() != device.sizes() || host.strides() != device.strides() ||
          host.storage_offset() != device.storage_offset()) {
        impl->set_sizes_and_strides(host.sizes(), host.strides(), host.storage_offset());
      }
    }
  }

  at::Generator host_generator(at::Generator generator) {
    auto* pretended = static_cast<PretendedGenerator*>(generator.unsafeGetGeneratorImpl());
    if (capturing) {
      const std::lock_guard<std::mutex> guard(capture_lock);
      TORCH_CHECK(
          registered_seeds.count(pretended->current_seed()), "Offset increment outside graph capture encountered"
          " unexpectedly: ", name_, " draws from a generator that is not registered with the graph");
    }
    drawn_ = true;
    return at::make_generator<at::CPUGeneratorImpl>(pretended->advance());
  }

  bool has_drawn() const {
    return drawn_;
  }

 private:
  at::Tensor host_tensor(const at::Tensor& tensor) {
    const bool first = !any_;
    any_ = true;
    if (!tensor.defined()) {
      return tensor;
    }
    if (!tensor.is_cuda()) {
      const bool number = tensor.unsafeGetTensorImpl()->is_wrapped_number();
      on_host_ |= !number && tensor.is_cpu();
      large_on_host_ |= tensor.is_cpu() && tensor.dim() > 0;
      first_on_host_ |= first;
      kept_.insert(tensor.unsafeGetTensorImpl());
      return tensor;
    }
    ++num_on_device_;
    index_on_device_ |= !first;
    const auto& host = host_storage(tensor.storage());
    storages_.emplace(host.unsafeGetStorageImpl(), tensor.storage());
    borrowed_.emplace_back(make_tensor(host, tensor, c10::DispatchKey::CPU), tensor);
    return borrowed_.back().first;
  }

  at::Tensor device_tensor(const at::Tensor& tensor) {
    if (!tensor.defined() || kept_.count(tensor.unsafeGetTensorImpl())) {
      return tensor;
    }
    for (const auto& [host, device] : borrowed_) {
      if (host.is_same(tensor)) {
        return device;
      }
    }
    return make_tensor(device_storage(tensor.storage()), tensor, c10::DispatchKey::CUDA);
  }

  c10::Storage device_storage(const c10::Storage& host) {
    const auto found = storages_.find(host.unsafeGetStorageImpl());
    if (found != storages_.end()) {
      return found->second;
    }
    return storages_.emplace(host.unsafeGetStorageImpl(), ::to_device(host)).first->second;
  }

  const std::string& name_;
  std::vector<std::pair<at::Tensor, at::Tensor>> borrowed_;
  std::unordered_map<c10::StorageImpl*, c10::Storage> storages_;
  std::unordered_set<c10::TensorImpl*> kept_;
  int num_on_device_ = 0;
  bool blocking_ = true;
  bool any_ = false;
  bool on_host_ = false;
  bool large_on_host_ = false;
  bool first_on_host_ = false;
  bool index_on_device_ = false;
  bool drawn_ = false;
};

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
    return gpu;
  }
  c10::Device getDevice() const override {
    return gpu;
  }
  c10::Stream getStream(c10::Device) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, gpu);
  }
  c10::Stream getNewStream(c10::Device, int = 0) const override {
    return c10::Stream(c10::Stream::DEFAULT, gpu);
  }
  c10::Stream exchangeStream(c10::Stream) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, gpu);
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
  bool isPinnedPtr(const void*) const override {
    return false;
  }
  Allocator* getPinnedMemoryAllocator() const override {
    return c10::GetCPUAllocator();
  }
  const Generator& getDefaultGenerator(DeviceIndex = -1) const override {
    return default_generator();
  }
  Generator getNewGenerator(DeviceIndex = -1) const override {
    return new_generator();
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

// Begin a capture, in which steps may draw from the default generator and from those with these seeds.
void begin_capture(const uint64_t* seeds, size_t count) {
  const std::lock_guard<std::mutex> guard(capture_lock);
  registered_seeds = {seeds, seeds + count};
  registered_seeds.insert(default_generator().current_seed());
  capturing = true;
}

void set_sync_debug_mode(int mode) {
  sync_debug_mode = mode;
}

void end_capture() {
  capturing = false;
}
}
