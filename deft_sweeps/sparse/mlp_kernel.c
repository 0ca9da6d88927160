/* Products of the active rows of an MLP's projections with one token.
 *
 * Plain C without Python or torch headers: mlp_library.py calls it by ctypes. Nothing is allocated and
 * there is no state, so that any number of threads may call at the same time, each for rows of its
 * own.
 */

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../kernels/processor_level.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { FLOAT32 = 0, BFLOAT16 = 1, INT8 = 2 };
enum { RELU = 0, GELU = 1, GELU_TANH = 2, SILU = 3 };
enum { CACHE_LINE = 64 };

/* A matrix whose rows lie one after the other.
 *   data    its first entry; NULL if the computation has no such matrix.
 *   scale   (rows,), each int8 row's factor; NULL for other kinds.
 *   active  numbers of the rows to compute; NULL for all.
 *   stride  bytes from one row to the next.
 */
typedef struct {
  const char *data;
  const float *scale;
  const int32_t *active;
  int64_t stride;
} Rows;

/* For k from first to last - 1, i being active[k] or k itself:
 *   with `up` alone       y[k] = up[i] . x
 *   with `down` alone     y += gate[i] * down[i]
 *   with both             y += gate[i] * (up[i] . x) * down[i]
 */
typedef struct {
  Rows up, down;
  int64_t width, first, last;
  const float *x, *gate;
  float *y;
  int32_t kind, level;
} Job;

static inline int64_t entry_bytes(int kind) { return kind == FLOAT32 ? 4 : kind == BFLOAT16 ? 2 : 1; }

static inline float entry(int kind, const char *row, int64_t j) {
  float value;
  if (kind == INT8) return ((const int8_t *)row)[j];
  if (kind == BFLOAT16) {
    uint16_t half;
    memcpy(&half, row + 2 * j, 2);
    uint32_t bits = (uint32_t)half << 16;
    memcpy(&value, &bits, 4);
    return value;
  }
  memcpy(&value, row + 4 * j, 4);
  return value;
}

static inline int64_t row_number(const Rows *m, int64_t k) { return m->active ? m->active[k] : k; }

static inline const char *row_address(const Rows *m, int64_t k) {
  return m->data + m->stride * row_number(m, k);
}

static inline float row_scale(const Rows *m, int64_t k) {
  return m->scale ? m->scale[row_number(m, k)] : 1;
}

#define NAME(f) plain_##f
#define TARGET
#define LANES 4
#define ROWS 4
#include "mlp_rows.h"

#if defined(__x86_64__)
#define NAME(f) avx2_##f
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define WIDEN(p) _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(p)))
#define ROWS 4
#include "mlp_rows.h"

#define NAME(f) avx512_##f
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define LANES 16
#define WIDEN(p) _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(p)))
#define ROWS 8
#include "mlp_rows.h"
#endif

/* Computes one part of a job; `level` must not be above deft_level(). */
void deft_run(const Job *job) {
#if defined(__x86_64__)
  if (job->level == AVX512) {
    avx512_run(job);
    return;
  }
  if (job->level == AVX2) {
    avx2_run(job);
    return;
  }
#endif
  plain_run(job);
}

/* Lists the entries of a gate that are not zero; NaN is not.
 *
 * Returns how many there are. */
int64_t deft_active(const float *gate, int64_t n, int32_t *active) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++) {
    active[count] = (int32_t)i;
    count += gate[i] != 0;
  }
  return count;
}

static float activation(int function, float value) {
  switch (function) {
    case GELU:
      return 0.5f * value * (1 + erff(value * 0.70710678118654752f));
    case GELU_TANH:
      return 0.5f * value *
             (1 + tanhf(0.79788456080286536f * (value + 0.044715f * value * value * value)));
    case SILU:
      return value / (1 + expf(-value));
    default:
      return value < 0 ? 0 : value; /* NaN stays */
  }
}

/* Turns pre-activations into a gate, in place. Above 0, a threshold makes entries with
 * |gate| <= threshold zero and leaves the others, NaN too, as the module Gate does. Lists
 * those that are not zero.
 *
 * Returns how many there are; -1, with the gate untouched, if some x is not finite. */
int64_t deft_gate(float *gate, int64_t n, int32_t function, float threshold, int32_t *active,
                  const float *x, int64_t width) {
  int64_t count = 0;
  float sum = 0;
  for (int64_t j = 0; j < width; j++) sum += 0 * x[j];
  if (sum != 0) return -1;
  for (int64_t i = 0; i < n; i++) {
    float value = activation(function, gate[i]);
    gate[i] = threshold > 0 && fabsf(value) <= threshold ? 0 : value;
    active[count] = (int32_t)i;
    count += gate[i] != 0;
  }
  return count;
}
