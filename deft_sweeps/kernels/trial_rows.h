/* The kernels for one instruction set. trial_kernel.c includes this file once a level, with
 *   NAME(f)  the function's name at this level,
 *   TARGET   the attribute that allows its instructions,
 *   LANES    floats in a vector.
 */

#define BYTES (LANES * 4)

typedef float NAME(vec) __attribute__((vector_size(BYTES)));
typedef float NAME(vec_at) __attribute__((vector_size(BYTES), aligned(4), may_alias));
typedef uint32_t NAME(bits) __attribute__((vector_size(BYTES)));
typedef int32_t NAME(ints) __attribute__((vector_size(BYTES)));
typedef uint16_t NAME(half) __attribute__((vector_size(BYTES / 2)));
typedef uint16_t NAME(half_at) __attribute__((vector_size(BYTES / 2), aligned(2), may_alias));

#define vec NAME(vec)
#define bits NAME(bits)
#define INLINE TARGET static inline __attribute__((always_inline))

INLINE vec NAME(load)(int kind, const char *row, int64_t j) {
  if (kind == BFLOAT16) {
    NAME(half_at) half = *(const NAME(half_at) *)(row + 2 * j);
    return (vec)(__builtin_convertvector(half, bits) << 16);
  }
  return *(const NAME(vec_at) *)(row + 4 * j);
}

INLINE bits NAME(rounded)(vec value) {
  bits raw = (bits)value, up = (raw + 0x7fff + ((raw >> 16) & 1)) >> 16;
  bits is_nan = (bits)(value != value);
  return (up & ~is_nan) | (is_nan & 0x7fc0);
}

INLINE void NAME(store)(int kind, char *row, int64_t j, vec value) {
  if (kind == BFLOAT16)
    *(NAME(half_at) *)(row + 2 * j) = __builtin_convertvector(NAME(rounded)(value), NAME(half));
  else
    *(NAME(vec_at) *)(row + 4 * j) = value;
}

/* What is stored, as float32. */
INLINE vec NAME(in_kind)(int kind, vec value) {
  return kind == BFLOAT16 ? (vec)(NAME(rounded)(value) << 16) : value;
}

static inline float NAME(scalar_in_kind)(int kind, float value) {
  char held[4];
  put(kind, held, 0, value);
  return entry(kind, held, 0);
}

INLINE float NAME(total)(vec values) {
  float lanes[LANES];
  memcpy(lanes, &values, BYTES);
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

/* n rows by k columns of `thin`. */
INLINE void NAME(project_block)(int kind, int n, int k, const LowRank *job, int64_t row, int64_t at) {
  int64_t stride = entry_bytes(kind) * job->width, j = 0;
  const char *wide = job->wide + row * stride;
  const float *matrix = job->matrix + at * job->width;
  vec sums[2][8];
  for (int r = 0; r < n; r++)
    for (int c = 0; c < k; c++) sums[r][c] = (vec){0};
  for (; j + LANES <= job->width; j += LANES) {
    vec x[2];
    for (int r = 0; r < n; r++) x[r] = NAME(load)(kind, wide + r * stride, j);
    for (int c = 0; c < k; c++) {
      vec m = NAME(load)(FLOAT32, (const char *)(matrix + c * job->width), j);
      for (int r = 0; r < n; r++) sums[r][c] += x[r] * m;
    }
  }
  for (int r = 0; r < n; r++)
    for (int c = 0; c < k; c++) {
      float sum = NAME(total)(sums[r][c]);
      for (int64_t tail = j; tail < job->width; tail++)
        sum += entry(kind, wide + r * stride, tail) * matrix[c * job->width + tail];
      job->thin[(row + r) * job->rank + at + c] = job->scale * sum;
    }
}

INLINE void NAME(project_rows)(int kind, int n, const LowRank *job, int64_t row) {
  int64_t at = 0;
  for (; at + 8 <= job->rank; at += 8) NAME(project_block)(kind, n, 8, job, row, at);
  for (; at + 4 <= job->rank; at += 4) NAME(project_block)(kind, n, 4, job, row, at);
  for (; at < job->rank; at++) NAME(project_block)(kind, n, 1, job, row, at);
}

INLINE void NAME(project_kind)(int kind, const LowRank *job) {
  int64_t row = job->first;
  for (; row + 2 <= job->last; row += 2) NAME(project_rows)(kind, 2, job, row);
  for (; row < job->last; row++) NAME(project_rows)(kind, 1, job, row);
}

TARGET static void NAME(project)(const LowRank *job) {
  if (job->kind == BFLOAT16)
    NAME(project_kind)(BFLOAT16, job);
  else
    NAME(project_kind)(FLOAT32, job);
}

/* n rows by `vectors` vectors of `out`. */
INLINE void NAME(update_block)(int kind, int n, int vectors, const LowRank *job, int64_t row,
                               int64_t j) {
  int64_t stride = entry_bytes(kind) * job->width;
  const float *thin = job->thin + row * job->rank;
  vec sums[4][2];
  for (int r = 0; r < n; r++)
    for (int v = 0; v < vectors; v++) sums[r][v] = (vec){0};
  for (int64_t k = 0; k < job->rank; k++) {
    const char *matrix = (const char *)(job->matrix + k * job->width);
    for (int v = 0; v < vectors; v++) {
      vec m = NAME(load)(FLOAT32, matrix, j + v * LANES);
      for (int r = 0; r < n; r++) sums[r][v] += thin[r * job->rank + k] * m;
    }
  }
  for (int r = 0; r < n; r++)
    for (int v = 0; v < vectors; v++) {
      int64_t at = j + v * LANES, from = (row + r) * stride;
      vec base = NAME(load)(kind, job->wide + from, at);
      NAME(store)(kind, job->out + from, at, base + sums[r][v] * job->scale);
    }
}

INLINE void NAME(update_rows)(int kind, int n, const LowRank *job, int64_t row) {
  int64_t j = 0, stride = entry_bytes(kind) * job->width;
  for (; j + 2 * LANES <= job->width; j += 2 * LANES) NAME(update_block)(kind, n, 2, job, row, j);
  for (; j + LANES <= job->width; j += LANES) NAME(update_block)(kind, n, 1, job, row, j);
  for (; j < job->width; j++)
    for (int r = 0; r < n; r++) {
      float sum = 0;
      for (int64_t k = 0; k < job->rank; k++)
        sum += job->thin[(row + r) * job->rank + k] * job->matrix[k * job->width + j];
      int64_t from = (row + r) * stride;
      put(kind, job->out + from, j, entry(kind, job->wide + from, j) + sum * job->scale);
    }
}

INLINE void NAME(update_kind)(int kind, const LowRank *job) {
  int64_t row = job->first;
  for (; row + 4 <= job->last; row += 4) NAME(update_rows)(kind, 4, job, row);
  for (; row < job->last; row++) NAME(update_rows)(kind, 1, job, row);
}

TARGET static void NAME(update)(const LowRank *job) {
  if (job->kind == BFLOAT16)
    NAME(update_kind)(BFLOAT16, job);
  else
    NAME(update_kind)(FLOAT32, job);
}

/* k rows by `vectors` vectors of `matrix`. */
INLINE void NAME(gradient_block)(int kind, int k, int vectors, const LowRank *job, int64_t at,
                                 int64_t j) {
  int64_t stride = entry_bytes(kind) * job->width;
  vec sums[8][2];
  for (int c = 0; c < k; c++)
    for (int v = 0; v < vectors; v++) sums[c][v] = (vec){0};
  for (int64_t n = 0; n < job->n_rows; n++) {
    const float *thin = job->thin + n * job->rank + at;
    for (int v = 0; v < vectors; v++) {
      vec x = NAME(load)(kind, job->wide + n * stride, j + v * LANES);
      for (int c = 0; c < k; c++) sums[c][v] += thin[c] * x;
    }
  }
  for (int c = 0; c < k; c++)
    for (int v = 0; v < vectors; v++)
      NAME(store)(FLOAT32, (char *)(job->matrix + (at + c) * job->width), j + v * LANES,
                  sums[c][v] * job->scale);
}

INLINE void NAME(gradient_columns)(int kind, int vectors, const LowRank *job, int64_t j) {
  int64_t at = 0;
  for (; at + 8 <= job->rank; at += 8) NAME(gradient_block)(kind, 8, vectors, job, at, j);
  for (; at + 4 <= job->rank; at += 4) NAME(gradient_block)(kind, 4, vectors, job, at, j);
  for (; at < job->rank; at++) NAME(gradient_block)(kind, 1, vectors, job, at, j);
}

INLINE void NAME(gradient_kind)(int kind, const LowRank *job) {
  int64_t j = job->first, stride = entry_bytes(kind) * job->width;
  for (; j + 2 * LANES <= job->last; j += 2 * LANES) NAME(gradient_columns)(kind, 2, job, j);
  for (; j + LANES <= job->last; j += LANES) NAME(gradient_columns)(kind, 1, job, j);
  for (; j < job->last; j++)
    for (int64_t k = 0; k < job->rank; k++) {
      float sum = 0;
      for (int64_t n = 0; n < job->n_rows; n++)
        sum += job->thin[n * job->rank + k] * entry(kind, job->wide + n * stride, j);
      job->matrix[k * job->width + j] = job->scale * sum;
    }
}

TARGET static void NAME(gradient)(const LowRank *job) {
  if (job->kind == BFLOAT16)
    NAME(gradient_kind)(BFLOAT16, job);
  else
    NAME(gradient_kind)(FLOAT32, job);
}

INLINE vec NAME(pick)(bits mask, vec a, vec b) { return (vec)((mask & (bits)a) | (~mask & (bits)b)); }

INLINE vec NAME(magnitude)(vec value) { return (vec)((bits)value & 0x7fffffff); }

/* Entries of the gate before its threshold; a NaN stays. */
INLINE vec NAME(activated)(int function, vec x) {
  return function == RELU ? NAME(pick)((bits)(x < 0), (vec){0}, x) : x;
}

/* All bits of the entries that a threshold above 0 makes zero. */
INLINE bits NAME(dropped)(float threshold, vec value) {
  return threshold > 0 ? (bits)(NAME(magnitude)(value) <= threshold) : (bits){0};
}

INLINE float NAME(measured)(int measure, float eps, float value) {
  float square = value * value;
  return measure == COUNT ? value != 0 : measure == L0 ? square / (square + eps) : 0;
}

INLINE void NAME(gate_forward_as)(int function, int measure, int kind, int out_kind,
                                  const GateRows *job) {
  const vec one = (vec){0} + 1;
  for (int64_t n = job->first; n < job->last; n++) {
    const char *x = job->x + n * job->width * entry_bytes(kind);
    char *out = job->out + n * job->width * entry_bytes(out_kind);
    vec sums = {0};
    int64_t j = 0;
    for (; j + LANES <= job->width; j += LANES) {
      vec value = NAME(activated)(function, NAME(load)(kind, x, j));
      value = NAME(pick)(NAME(dropped)(job->threshold, value), (vec){0}, value);
      if (measure == COUNT) sums += NAME(pick)((bits)(value != 0), one, (vec){0});
      if (measure == L0) sums += value * value / (value * value + job->eps);
      NAME(store)(out_kind, out, j, value);
    }
    float sum = NAME(total)(sums);
    for (; j < job->width; j++) {
      float value = entry(kind, x, j);
      if (function == RELU && value < 0) value = 0;
      if (job->threshold > 0 && fabsf(value) <= job->threshold) value = 0;
      sum += NAME(measured)(measure, job->eps, value);
      put(out_kind, out, j, value);
    }
    if (measure != NOTHING) job->sums[n] = sum;
  }
}

INLINE void NAME(gate_backward_as)(int function, int measure, int kind, int out_kind,
                                   const GateRows *job) {
  const vec one = (vec){0} + 1;
  for (int64_t n = job->first; n < job->last; n++) {
    const char *x = job->x + n * job->width * entry_bytes(kind);
    const char *grad = job->grad + n * job->width * entry_bytes(out_kind);
    char *out = job->out + n * job->width * entry_bytes(kind);
    float pull = measure == L0 ? 2 * job->eps * job->sums[n] : 0;
    int64_t j = 0;
    for (; j + LANES <= job->width; j += LANES) {
      vec before = NAME(load)(kind, x, j), value = NAME(activated)(function, before);
      vec total = NAME(load)(out_kind, grad, j);
      if (measure == L0) {
        vec inverse = one / (value * value + job->eps);
        total += (pull * inverse) * (value * inverse);
      }
      bits none = NAME(dropped)(job->threshold, value);
      if (function == RELU) none |= (bits)(before <= 0);
      NAME(store)(kind, out, j, NAME(pick)(none, (vec){0}, total));
    }
    for (; j < job->width; j++) {
      float before = entry(kind, x, j), value = function == RELU && before < 0 ? 0 : before;
      float total = entry(out_kind, grad, j), inverse = 1 / (value * value + job->eps);
      if (measure == L0) total += (pull * inverse) * (value * inverse);
      if ((job->threshold > 0 && fabsf(value) <= job->threshold) ||
          (function == RELU && before <= 0))
        total = 0;
      put(kind, out, j, total);
    }
  }
}

/* Calls f with constants in place of the job's numbers. */
#define OF_KINDS(f, function, measure, job)                         \
  if ((job)->kind == BFLOAT16)                                      \
    NAME(f)(function, measure, BFLOAT16, BFLOAT16, job);            \
  else if ((job)->out_kind == BFLOAT16)                             \
    NAME(f)(function, measure, FLOAT32, BFLOAT16, job);             \
  else                                                              \
    NAME(f)(function, measure, FLOAT32, FLOAT32, job)
#define OF_MEASURES(f, function, job)                               \
  if ((job)->measure == COUNT) {                                    \
    OF_KINDS(f, function, COUNT, job);                              \
  } else if ((job)->measure == L0) {                                \
    OF_KINDS(f, function, L0, job);                                 \
  } else {                                                          \
    OF_KINDS(f, function, NOTHING, job);                            \
  }

TARGET static void NAME(gate_forward)(const GateRows *job) {
  if (job->function == RELU) {
    OF_MEASURES(gate_forward_as, RELU, job)
  } else {
    OF_MEASURES(gate_forward_as, IDENTITY, job)
  }
}

TARGET static void NAME(gate_backward)(const GateRows *job) {
  if (job->function == RELU) {
    OF_MEASURES(gate_backward_as, RELU, job)
  } else {
    OF_MEASURES(gate_backward_as, IDENTITY, job)
  }
}

INLINE void NAME(norm_forward_kind)(int kind, const NormRows *job) {
  int64_t stride = entry_bytes(kind) * job->width;
  for (int64_t n = job->first; n < job->last; n++) {
    const char *x = job->x + n * stride;
    char *out = job->out + n * stride;
    vec squares[2] = {{0}, {0}};
    int64_t j = 0;
    for (; j + 2 * LANES <= job->width; j += 2 * LANES)
      for (int v = 0; v < 2; v++) {
        vec value = NAME(load)(kind, x, j + v * LANES);
        squares[v] += value * value;
      }
    float sum = NAME(total)(squares[0] + squares[1]);
    for (; j < job->width; j++) sum += entry(kind, x, j) * entry(kind, x, j);
    float scale = 1 / sqrtf(sum / (float)job->width + job->eps);
    job->scales[n] = scale;
    for (j = 0; j + LANES <= job->width; j += LANES) {
      vec value = NAME(in_kind)(kind, NAME(load)(kind, x, j) * scale);
      NAME(store)(kind, out, j, NAME(load)(kind, job->weight, j) * value);
    }
    for (; j < job->width; j++)
      put(kind, out, j,
          entry(kind, job->weight, j) * NAME(scalar_in_kind)(kind, entry(kind, x, j) * scale));
  }
}

/* With g = weight * grad: scale * (g - x * scale^2 * mean(g * x)). */
INLINE void NAME(norm_backward_kind)(int kind, const NormRows *job) {
  int64_t stride = entry_bytes(kind) * job->width;
  for (int64_t n = job->first; n < job->last; n++) {
    const char *x = job->x + n * stride, *grad = job->grad + n * stride;
    char *out = job->out + n * stride;
    float scale = job->scales[n];
    vec products = {0};
    int64_t j = 0;
    for (; j + LANES <= job->width; j += LANES)
      products += NAME(load)(kind, grad, j) * NAME(load)(kind, job->weight, j) *
                  NAME(load)(kind, x, j);
    float sum = NAME(total)(products);
    for (; j < job->width; j++)
      sum += entry(kind, grad, j) * entry(kind, job->weight, j) * entry(kind, x, j);
    float pull = scale * scale * sum / (float)job->width;
    for (j = 0; j + LANES <= job->width; j += LANES) {
      vec total = NAME(load)(kind, grad, j) * NAME(load)(kind, job->weight, j);
      NAME(store)(kind, out, j, scale * (total - pull * NAME(load)(kind, x, j)));
    }
    for (; j < job->width; j++) {
      float total = entry(kind, grad, j) * entry(kind, job->weight, j);
      put(kind, out, j, scale * (total - pull * entry(kind, x, j)));
    }
  }
}

TARGET static void NAME(norm_forward)(const NormRows *job) {
  if (job->kind == BFLOAT16)
    NAME(norm_forward_kind)(BFLOAT16, job);
  else
    NAME(norm_forward_kind)(FLOAT32, job);
}

TARGET static void NAME(norm_backward)(const NormRows *job) {
  if (job->kind == BFLOAT16)
    NAME(norm_backward_kind)(BFLOAT16, job);
  else
    NAME(norm_backward_kind)(FLOAT32, job);
}

#undef OF_MEASURES
#undef OF_KINDS
#undef vec
#undef bits
#undef INLINE
#undef BYTES
#undef NAME
#undef TARGET
#undef LANES
