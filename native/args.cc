#include "args.h"

#include <cmath>
#include <vector>

namespace millrace {

int64_t Args::Whole(size_t index, int64_t min, int64_t max) {
  double value = 0;
  if (napi_get_value_double(env_, info_[index], &value) != napi_ok) {
    Throw("a number was expected");
    return 0;
  }
  // NaN fails the first comparison.
  if (!(value >= static_cast<double>(min)) || value > static_cast<double>(max) ||
      value != std::trunc(value)) {
    Refuse();
    return 0;
  }
  return static_cast<int64_t>(value);
}

int64_t Args::WholeOr(size_t index, int64_t min, int64_t max, int64_t otherwise) {
  if (index >= info_.Length() || info_[index].IsUndefined()) return otherwise;
  return Whole(index, min, max);
}

namespace {

// Whether `value` is a typed array of `type`; its first element and their number if so.
bool TypedArray(napi_env env, napi_value value, napi_typedarray_type type, void** data,
                size_t* length) {
  napi_typedarray_type actual{};
  const napi_status status =
      napi_get_typedarray_info(env, value, &actual, length, data, nullptr, nullptr);
  if (status != napi_ok || actual != type) return false;
  if (*data == nullptr) *length = 0;
  return true;
}

}  // namespace

Bytes Args::ByteView(size_t index) {
  void* data = nullptr;
  size_t size = 0;
  if (!TypedArray(env_, info_[index], napi_uint8_array, &data, &size)) {
    Throw("a Uint8Array was expected");
    return {};
  }
  return {static_cast<uint8_t*>(data), size};
}

Doubles Args::DoubleView(size_t index) {
  void* data = nullptr;
  size_t count = 0;
  if (!TypedArray(env_, info_[index], napi_float64_array, &data, &count)) {
    Throw("a Float64Array was expected");
    return {};
  }
  return {static_cast<double*>(data), count};
}

void Args::Gather(size_t index, int64_t first_offset, IoVector* vector) {
  const napi_value list = info_[index];
  bool is_array = false;
  uint32_t length = 0;
  if (napi_is_array(env_, list, &is_array) != napi_ok || !is_array ||
      napi_get_array_length(env_, list, &length) != napi_ok) {
    Throw("an array of Uint8Array was expected");
    return;
  }
  if (length > kListMax) {
    Refuse();
    return;
  }
  // Getting an element may run JavaScript (an accessor), which may detach a buffer that was looked
  // at before. So first all elements, then, with no JavaScript in between, all their memory.
  constexpr size_t kOnStack = 64;
  napi_value on_stack[kOnStack];
  std::vector<napi_value> on_heap(length > kOnStack ? length : 0);
  napi_value* elements = length > kOnStack ? on_heap.data() : on_stack;
  for (uint32_t i = 0; i < length; i++) {
    if (napi_get_element(env_, list, i, &elements[i]) != napi_ok) {
      thrown_ = true;  // what the accessor threw is pending
      return;
    }
  }
  auto skip = static_cast<uint64_t>(first_offset);
  vector->count = 0;
  vector->size = 0;
  for (uint32_t i = 0; i < length; i++) {
    void* data = nullptr;
    size_t size = 0;
    if (!TypedArray(env_, elements[i], napi_uint8_array, &data, &size)) {
      Throw("an array of Uint8Array was expected");
      return;
    }
    if (skip >= size) {
      skip -= size;
      continue;
    }
    if (vector->count == static_cast<int>(kIovMax)) return;
    iovec& part = vector->parts[vector->count++];
    part.iov_base = static_cast<uint8_t*>(data) + skip;
    part.iov_len = size - skip;
    vector->size += part.iov_len;
    skip = 0;
  }
  if (skip > 0) Refuse();
}

std::string Args::Text(size_t index, size_t size_max) {
  size_t size = 0;
  if (napi_get_value_string_utf8(env_, info_[index], nullptr, 0, &size) != napi_ok) {
    Throw("a string was expected");
    return {};
  }
  if (size > size_max) {
    Refuse();
    return {};
  }
  std::string text(size + 1, '\0');
  napi_get_value_string_utf8(env_, info_[index], text.data(), text.size(), &size);
  text.resize(size);
  if (text.find('\0') != std::string::npos) Refuse();
  return text;
}

Napi::Function Args::Callback(size_t index) {
  if (!info_[index].IsFunction()) {
    Throw("a function was expected");
    return {};
  }
  return info_[index].As<Napi::Function>();
}

Napi::Value Args::Failure() const {
  if (thrown_) return env_.Undefined();
  return Napi::Number::New(env_, -EINVAL);
}

void Args::Throw(const char* message) {
  if (thrown_) return;
  thrown_ = true;
  if (!env_.IsExceptionPending()) {
    Napi::TypeError::New(env_, message).ThrowAsJavaScriptException();
  }
}

}  // namespace millrace
