#pragma once
#include "gyro_lanes.h"

// Elementary functions in Float32 that the compiler can vectorise: no calls, no branches, no
// tables. Worst errors against a double-precision library (the test suite samples all magnitudes):
// exp, log, tanh and erf within 2 units in the last place, sigmoid within 2.5. Infinities, signed
// zeros and NaN give what the C library gives; exp rounds subnormal results twice.
// Polynomials interpolate at Chebyshev nodes, which is near the best of their degree.

/// eˣ = 2ⁿ eʳ with n = round(x / ln 2), |r| ≤ ln 2 / 2.
GYRO_INLINE float gyro_exp(float x) {
  const float magic = 12582912.0f;  // 1.5·2²³: adding it rounds to a whole number
  x = x > 100.0f ? 100.0f : x;
  x = x < -110.0f ? -110.0f : x;
  float shifted = x * 0x1.715476p+0f + magic;
  float n = shifted - magic;
  float r = x - n * 0x1.62e4p-1f;  // ln 2 in two parts; the first product is exact
  r = r - n * 0x1.7f7d1cp-20f;
  float p = 0x1.6d1110p-10f;
  p = p * r + 0x1.120b6ep-7f;
  p = p * r + 0x1.555520p-5f;
  p = p * r + 0x1.5554dcp-3f;
  p = p * r + 0.5f;
  float value = 1.0f + (r + r * r * p);
  // 2ⁿ in two factors, because n may leave the range of one exponent at either end.
  int32_t exponent = (int32_t)(gyro_bits(shifted) - 0x4b400000u);
  int32_t half = exponent >> 1;
  float low = gyro_from_bits((uint32_t)(half + 127) << 23);
  float high = gyro_from_bits((uint32_t)(exponent - half + 127) << 23);
  return value * low * high;
}

/// eˣ for x ≤ 0 (anything below 80 in fact), a third cheaper: 0 below −86.6, where gyro_exp would
/// go on to the smallest floats. What softmax and its relatives need.
GYRO_INLINE float gyro_exp_nonpositive(float x) {
  const float magic = 12582912.0f;
  float shifted = x * 0x1.715476p+0f + magic;
  float n = shifted - magic;
  float r = x - n * 0x1.62e4p-1f;
  r = r - n * 0x1.7f7d1cp-20f;
  float p = 0x1.6d1110p-10f;
  p = p * r + 0x1.120b6ep-7f;
  p = p * r + 0x1.555520p-5f;
  p = p * r + 0x1.5554dcp-3f;
  p = p * r + 0.5f;
  float value = 1.0f + (r + r * r * p);
  // The low bits of `shifted` are n: shifted into the exponent's place they multiply by 2ⁿ.
  float scaled = gyro_from_bits(gyro_bits(value) + (gyro_bits(shifted) << 23));
  return x < -86.6f ? 0.0f : scaled;
}

/// ln x = k ln 2 + ln(1 + f), 1 + f in [√½, √2), by the series of 2 artanh(f / (2 + f)).
GYRO_INLINE float gyro_log(float x) {
  float scaled = x < 0x1p-126f ? x * 0x1p23f : x;
  float shift = x < 0x1p-126f ? -23.0f : 0.0f;
  uint32_t bits = gyro_bits(scaled);
  int32_t k = (int32_t)(bits - 0x3f3504f3u) >> 23;
  float f = gyro_from_bits(bits - ((uint32_t)k << 23)) - 1.0f;
  float exponent = (float)k + shift;
  float s = f / (2.0f + f), z = s * s, half = 0.5f * f * f;
  float p = 2.0f / 11.0f;
  p = p * z + 2.0f / 9.0f;
  p = p * z + 2.0f / 7.0f;
  p = p * z + 2.0f / 5.0f;
  p = p * z + 2.0f / 3.0f;
  float tail = s * (half + p * z) + exponent * 0x1.7f7d1cp-20f;
  float value = exponent * 0x1.62e4p-1f - ((half - tail) - f);
  value = x == 0.0f ? -__builtin_inff() : value;
  value = x < 0.0f ? __builtin_nanf("") : value;
  return x < __builtin_inff() ? value : x;  // infinity and NaN as they are
}

/// The magnitude of `x` with the sign of `sign`.
GYRO_INLINE float gyro_with_sign(float x, float sign) {
  return gyro_from_bits((gyro_bits(x) & 0x7fffffffu) | (gyro_bits(sign) & 0x80000000u));
}

GYRO_INLINE float gyro_absolute(float x) { return gyro_from_bits(gyro_bits(x) & 0x7fffffffu); }

/// tanh: an odd polynomial near zero, 1 − 2e / (1 + e) with e = e^−2|x| elsewhere.
GYRO_INLINE float gyro_tanh(float x) {
  float magnitude = gyro_absolute(x), z = x * x;
  float p = 0x1.2977d6p-9f;
  p = p * z - 0x1.10bbf4p-7f;
  p = p * z + 0x1.648e8ep-6f;
  p = p * z - 0x1.ba0718p-5f;
  p = p * z + 0x1.1110e4p-3f;
  p = p * z - 0x1.555556p-2f;
  float small = x + x * z * p;
  float e = gyro_exp_nonpositive(-2.0f * magnitude);
  float large = 1.0f - 2.0f * e / (1.0f + e);
  return gyro_with_sign(magnitude < 0.625f ? small : large, x);  // keeps −0 as well
}

/// 1 / (1 + e⁻ˣ), from e^−|x| so that neither end overflows; 0 below −86.6.
GYRO_INLINE float gyro_sigmoid(float x) {
  float e = gyro_exp_nonpositive(-gyro_absolute(x)), d = 1.0f + e;
  return (x < 0.0f ? e : 1.0f) / d;
}

/// The error function: an odd polynomial below 1, 1 − e^−p(|x|) above.
GYRO_INLINE float gyro_erf(float x) {
  float magnitude = gyro_absolute(x), z = x * x;
  float p = 0x1.4a5690p-14f;
  p = p * z - 0x1.a45088p-11f;
  p = p * z + 0x1.541270p-8f;
  p = p * z - 0x1.b7fabap-6f;
  p = p * z + 0x1.ce2d10p-4f;
  p = p * z - 0x1.81273ep-2f;
  float small = x + x * (p * z + 0x1.06eba8p-3f);  // 2/√π = 1 + 0x1.06eba8p-3
  float u = (magnitude > 3.95f ? 3.95f : magnitude) - 1.0f;
  float q = -0x1.bd26ecp-20f;
  q = q * u + 0x1.167232p-15f;
  q = q * u - 0x1.50dffcp-12f;
  q = q * u + 0x1.0d91bep-9f;
  q = q * u - 0x1.4a5364p-7f;
  q = q * u + 0x1.549abfp-5f;
  q = q * u + 0x1.afab58p-1f;
  q = q * u + 0x1.51c9b2p+1f;
  q = q * u + 0x1.d97fbfp+0f;
  float large = gyro_with_sign(1.0f - gyro_exp_nonpositive(-q), x);
  return magnitude < 1.0f ? small : large;
}

/// x Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016).
GYRO_INLINE float gyro_gelu(float x) {
  return 0.5f * x * (1.0f + gyro_erf(x * 0x1.6a09e6p-1f));
}

/// Its derivative Φ(x) + x φ(x).
GYRO_INLINE float gyro_gelu_derivative(float x) {
  float density = 0x1.988454p-2f * gyro_exp_nonpositive(-0.5f * x * x);
  return 0.5f * (1.0f + gyro_erf(x * 0x1.6a09e6p-1f)) + x * density;
}

/// The tanh form of x Φ(x) in the same paper.
GYRO_INLINE float gyro_gelu_tanh(float x) {
  float inner = 0x1.988454p-1f * (x + 0.044715f * x * x * x);
  return 0.5f * x * (1.0f + gyro_tanh(inner));
}

GYRO_INLINE float gyro_gelu_tanh_derivative(float x) {
  float inner = 0x1.988454p-1f * (x + 0.044715f * x * x * x);
  float t = gyro_tanh(inner), slope = 0x1.988454p-1f * (1.0f + 3.0f * 0.044715f * x * x);
  return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * slope;
}

/// x · sigmoid(x).
GYRO_INLINE float gyro_silu(float x) {
  float e = gyro_exp_nonpositive(-gyro_absolute(x)), d = 1.0f + e;
  return (x < 0.0f ? x * e : x) / d;
}

GYRO_INLINE float gyro_silu_derivative(float x) {
  float s = gyro_sigmoid(x);
  return s * (1.0f + x * (1.0f - s));
}

/// The nearest whole number, halves to even.
GYRO_INLINE float gyro_round(float x) {
  float magnitude = gyro_absolute(x);
  float rounded = (magnitude + 0x1p23f) - 0x1p23f;
  return magnitude < 0x1p23f ? gyro_with_sign(rounded, x) : x;
}
