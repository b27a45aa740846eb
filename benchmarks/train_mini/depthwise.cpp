// Backward pass of depthwise convolutions over channels-last pictures: both gradients in one sweep.
//
// One thread, for one process trains on one core (see image.py). Sums are kept in single precision,
// whatever the pictures are in.

#include <torch/extension.h>

#include <algorithm>
#include <vector>

template <typename T>
static void sweep(const T* x, const T* grad, const float* weight, T* grad_x, float* grad_weight,
                  int64_t n, int64_t c, int64_t h, int64_t w, int64_t out_h, int64_t out_w,
                  int64_t size, int64_t stride, int64_t padding) {
  const int64_t area = h * w * c;
  std::vector<float> picture(area), plane(area), line(c);  // of one picture: they stay in the cache
  for (int64_t b = 0; b < n; ++b) {
    std::copy(x + b * area, x + (b + 1) * area, picture.begin());
    std::fill(plane.begin(), plane.end(), 0.f);
    for (int64_t i = 0; i < out_h; ++i)
      for (int64_t j = 0; j < out_w; ++j) {
        const T* from = grad + ((b * out_h + i) * out_w + j) * c;
        std::copy(from, from + c, line.begin());
        for (int64_t u = 0; u < size; ++u) {
          const int64_t y = i * stride - padding + u;
          if (y < 0 || y >= h) continue;
          for (int64_t v = 0; v < size; ++v) {
            const int64_t z = j * stride - padding + v;
            if (z < 0 || z >= w) continue;
            const int64_t at = (y * w + z) * c, tap = (u * size + v) * c;
            const float* __restrict in = picture.data() + at;
            const float* __restrict out = line.data();
            float* __restrict back = plane.data() + at;
            const float* __restrict kernel = weight + tap;
            float* __restrict sum = grad_weight + tap;
            for (int64_t k = 0; k < c; ++k) {
              back[k] += out[k] * kernel[k];
              sum[k] += out[k] * in[k];
            }
          }
        }
      }
    std::copy(plane.begin(), plane.end(), grad_x + b * area);
  }
}

// x (n, h, w, c), grad (n, out_h, out_w, c) of the same type, weight (size * size, c) float32
// -> the gradients of x, as x, and of weight (size * size, c) float32.
std::vector<torch::Tensor> backward(torch::Tensor x, torch::Tensor grad, torch::Tensor weight,
                                    int64_t size, int64_t stride, int64_t padding) {
  auto grad_x = torch::empty_like(x);
  auto grad_weight = torch::zeros_like(weight);
  AT_DISPATCH_FLOATING_TYPES_AND(at::ScalarType::BFloat16, x.scalar_type(), "depthwise", [&] {
    sweep<scalar_t>(x.data_ptr<scalar_t>(), grad.data_ptr<scalar_t>(), weight.data_ptr<float>(),
                    grad_x.data_ptr<scalar_t>(), grad_weight.data_ptr<float>(), x.size(0),
                    x.size(3), x.size(1), x.size(2), grad.size(1), grad.size(2), size, stride,
                    padding);
  });
  return {grad_x, grad_weight};
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) { m.def("backward", &backward); }
