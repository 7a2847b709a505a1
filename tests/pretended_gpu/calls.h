// The arguments of an operation on the device, as the CPU's kernel takes them.
#pragma once

#include "waiting.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <unordered_map>
#include <unordered_set>

namespace pretended {
using c10::IValue;

// ---- tensors

// A storage on the device keeps the CPU's storage of the same bytes in the context of its pointer.
inline void release(void* context) {
  delete static_cast<c10::Storage*>(context);
}

inline c10::DataPtr device_pointer(const c10::Storage& host) {
  return {const_cast<void*>(host.data()), new c10::Storage(host), release, gpu};
}

inline c10::Storage to_device(const c10::Storage& host) {
  return {c10::Storage::use_byte_size_t(), host.nbytes(), device_pointer(host), nullptr, false};
}

inline const c10::Storage& host_storage(const c10::Storage& storage) {
  TORCH_CHECK(storage.data_ptr().get_deleter() == release, "a storage that the pretended device has not allocated");
  return *static_cast<const c10::Storage*>(storage.data_ptr().get_context());
}

inline at::Tensor make_tensor(c10::Storage storage, const at::Tensor& like, c10::DispatchKey key) {
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
inline const std::unordered_set<std::string> takes_two_devices = {
    "aten::copy_", "aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_",
    "aten::_unsafe_index", "aten::set_",
};
// Operations whose result, or its shape, the host waits for.
inline const std::unordered_set<std::string> waits_for_device = {
    "aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::masked_select", "aten::_unique2",
    "aten::_unique", "aten::unique_dim", "aten::unique_consecutive", "aten::repeat_interleave", "aten::bincount",
    "aten::multinomial",
};
// Operations without a deterministic kernel on CUDA, by the documentation of torch.use_deterministic_algorithms.
inline const std::unordered_set<std::string> never_deterministic = {
    "aten::avg_pool3d_backward", "aten::_adaptive_avg_pool2d_backward", "aten::_adaptive_avg_pool3d_backward",
    "aten::adaptive_max_pool2d_backward", "aten::fractional_max_pool2d_backward",
    "aten::fractional_max_pool3d_backward", "aten::max_unpool2d", "aten::max_unpool3d",
    "aten::upsample_linear1d_backward", "aten::upsample_bilinear2d_backward", "aten::upsample_bicubic2d_backward",
    "aten::upsample_trilinear3d_backward", "aten::reflection_pad1d_backward", "aten::reflection_pad2d_backward",
    "aten::reflection_pad3d_backward", "aten::nll_loss2d_forward", "aten::_ctc_loss_backward", "aten::put_",
    "aten::histc", "aten::grid_sampler_2d_backward", "aten::grid_sampler_3d_backward",
};
// The same, of numbers that are not integers.
inline const std::unordered_set<std::string> deterministic_of_integers = {"aten::cumsum", "aten::cumsum_"};
// The same, where indices are a result as well, or weights are given.
inline const std::unordered_set<std::string> deterministic_alone = {"aten::median", "aten::bincount"};

// The arguments of a call as the CPU's kernel takes them.
class HostCall {
 public:
  HostCall(const c10::OperatorHandle& op, const torch::jit::Stack& stack) : name_(op.schema().name()) {
    returns_ = op.schema().returns().size();
    blocking_ = name_ != "aten::copy_" || !stack.back().toBool();
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
    const bool copies_across = name_ == "aten::copy_" && on_host_ && num_on_device_;
    if (waits_for_device.count(name_) || (on_host_ && num_on_device_ && takes_two_devices.count(name_) && blocking_)) {
      host_waits(name_);
    }
    TORCH_CHECK(
        !copies_across || blocking_ || host_memory_ == nullptr || pinned().holds(host_memory_), "a copy with non_blocking=True between the device "
        "and memory that is not page-locked: the host may wait for it, or overwrite it");
    TORCH_CHECK(
        !(capturing && on_host_ && num_on_device_), "operation not permitted when stream is capturing: ", name_,
        " reads a CPU tensor, whose values would be frozen in the graph, or writes one");
    if (at::globalContext().deterministicAlgorithms() &&
        (never_deterministic.count(name_) || (deterministic_of_integers.count(name_) && !integers_) ||
         (deterministic_alone.count(name_) && (returns_ > 1 || num_on_device_ > 1)))) {
      at::globalContext().alertNotDeterministic(name_);
    }
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
    drawn_ = true;
    auto* on_device = static_cast<Generator*>(generator.unsafeGetGeneratorImpl());
    return at::make_generator<at::CPUGeneratorImpl>(on_device->advance(name_));
  }

  // Let a copy across, which has been made, end no sooner than the host has waited for it.
  void queue_copy(const IValue& target, const IValue& source) const {
    if (name_ == "aten::copy_" && !blocking_ && host_memory_ != nullptr && num_on_device_) {
      const bool to_host = pinned().holds(target.toTensor().const_data_ptr());
      copies().add((to_host ? target : source).toTensor(), to_host);
    }
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
      if (tensor.is_cpu() && tensor.numel() > 0) {
        host_memory_ = tensor.const_data_ptr();
      }
      kept_.insert(tensor.unsafeGetTensorImpl());
      return tensor;
    }
    ++num_on_device_;
    integers_ &= !tensor.is_floating_point() && !tensor.is_complex();
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
    return storages_.emplace(host.unsafeGetStorageImpl(), pretended::to_device(host)).first->second;
  }

  const std::string& name_;
  std::vector<std::pair<at::Tensor, at::Tensor>> borrowed_;
  std::unordered_map<c10::StorageImpl*, c10::Storage> storages_;
  std::unordered_set<c10::TensorImpl*> kept_;
  int num_on_device_ = 0;
  const void* host_memory_ = nullptr;
  size_t returns_ = 0;
  bool blocking_ = true;
  bool integers_ = true;
  bool any_ = false;
  bool on_host_ = false;
  bool large_on_host_ = false;
  bool first_on_host_ = false;
  bool index_on_device_ = false;
  bool drawn_ = false;
};
} // namespace pretended
