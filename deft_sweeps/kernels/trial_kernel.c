/* What a training step and an evaluation compute beside the large matrix products, each in one pass
 * over its rows: LoRA's update, the gate with its density, T5's norm.
 *
 * Plain C without Python or torch headers: trial_library.py calls it by ctypes. Nothing is allocated
 * and there is no state, so that any number of threads may call at the same time, each for rows, or
 * columns, of its own. Entries are float32 or bfloat16; sums are float32.
 */

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "processor_level.h"

enum { FLOAT32 = 0, BFLOAT16 = 1 };
enum { IDENTITY = 0, RELU = 1 };
enum { NOTHING = 0, COUNT = 1, L0 = 2 };

static inline float entry(int kind, const char *row, int64_t j) {
  float value;
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

/* Rounds to nearest, ties to even, as torch does. */
static inline void put(int kind, char *row, int64_t j, float value) {
  if (kind == BFLOAT16) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint16_t half = value != value ? 0x7fc0 : (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    memcpy(row + 2 * j, &half, 2);
    return;
  }
  memcpy(row + 4 * j, &value, 4);
}

static inline int64_t entry_bytes(int kind) { return kind == BFLOAT16 ? 2 : 4; }

/* Products with a matrix of few rows. For n from first to last - 1:
 *   project   thin[n][k] = scale * sum over j of wide[n][j] * matrix[k][j]
 *   update    out[n][j] = wide[n][j] + scale * sum over k of thin[n][k] * matrix[k][j]
 * For j from first to last - 1:
 *   gradient  matrix[k][j] = scale * sum over n of thin[n][k] * wide[n][j]
 * with n_rows rows of wide and out, width entries each, in the dtype `kind`; thin is (n_rows, rank)
 * and matrix (rank, width), in float32.
 */
typedef struct {
  const char *wide;
  char *out;
  float *thin, *matrix;
  int64_t n_rows, width, rank, first, last;
  float scale;
  int32_t kind, level;
} LowRank;

/* The gate of rows first to last - 1. Forward:
 *   value = function(x), 0 where |value| <= threshold if that is above 0;  out = value
 *   sums[n] = sum over the row of: value != 0 (COUNT), value^2 / (value^2 + eps) (L0)
 * Backward, with grad in place of the gradient of `out` and sums of that of `sums`:
 *   out = gradient of x
 * x is in the dtype `kind`, grad and out in `out_kind` forward, and the other way round backward.
 */
typedef struct {
  const char *x, *grad;
  char *out;
  float *sums;
  int64_t width, first, last;
  float threshold, eps;
  int32_t function, measure, kind, out_kind, level;
} GateRows;

/* T5's norm of rows first to last - 1: out = weight * round(x * scales[n]), where
 * scales[n] = 1 / sqrt(mean of x^2 + eps) is written; backward it is read, and `grad` given.
 * All entries are in the dtype `kind`.
 */
typedef struct {
  const char *x, *weight, *grad;
  char *out;
  float *scales;
  int64_t width, first, last;
  float eps;
  int32_t kind, level;
} NormRows;

#define NAME(f) plain_##f
#define TARGET
#define LANES 4
#include "trial_rows.h"

#if defined(__x86_64__)
#define NAME(f) avx2_##f
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#include "trial_rows.h"

#define NAME(f) avx512_##f
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define LANES 16
#include "trial_rows.h"
#endif

#if defined(__x86_64__)
#define CALL(f, job)             \
  if ((job)->level == AVX512)    \
    avx512_##f(job);             \
  else if ((job)->level == AVX2) \
    avx2_##f(job);               \
  else                           \
    plain_##f(job)
#else
#define CALL(f, job) plain_##f(job)
#endif

/* Each computes one part of a job; `level` must not be above deft_level(). */
void deft_project(const LowRank *job) { CALL(project, job); }
void deft_update(const LowRank *job) { CALL(update, job); }
void deft_gradient(const LowRank *job) { CALL(gradient, job); }
void deft_gate_forward(const GateRows *job) { CALL(gate_forward, job); }
void deft_gate_backward(const GateRows *job) { CALL(gate_backward, job); }
void deft_norm_forward(const NormRows *job) { CALL(norm_forward, job); }
void deft_norm_backward(const NormRows *job) { CALL(norm_backward, job); }
