/* Row products for one instruction set. mlp_kernel.c includes this file once a level, with
 *   NAME(f)  the function's name at this level,
 *   TARGET   the attribute that allows its instructions,
 *   LANES    floats in a vector,
 *   WIDEN(p) optional: LANES int8 at p as int32, where the compiler's own conversion is slow,
 *   ROWS     rows at a time; ROWS rows with two accumulators each must fit the registers.
 */

#define BYTES (LANES * 4)

typedef float NAME(vec) __attribute__((vector_size(BYTES)));
typedef float NAME(vec_in) __attribute__((vector_size(BYTES), aligned(4), may_alias));
typedef uint32_t NAME(bits) __attribute__((vector_size(BYTES)));
typedef int32_t NAME(ints) __attribute__((vector_size(BYTES)));
typedef uint16_t NAME(half_in) __attribute__((vector_size(BYTES / 2), aligned(2), may_alias));
typedef int8_t NAME(byte_in) __attribute__((vector_size(BYTES / 4), aligned(1), may_alias));

#define vec NAME(vec)
#define INLINE TARGET static inline __attribute__((always_inline))

/* Entries j to j + LANES - 1 of a row, as float32. */
INLINE vec NAME(load)(int kind, const char *row, int64_t j) {
  if (kind == BFLOAT16) {
    NAME(half_in) half = *(const NAME(half_in) *)(row + 2 * j);
    return (vec)(__builtin_convertvector(half, NAME(bits)) << 16);
  }
  if (kind == INT8) {
#ifdef WIDEN
    return __builtin_convertvector((NAME(ints))WIDEN(row + j), vec);
#else
    NAME(byte_in) byte = *(const NAME(byte_in) *)(row + j);
    return __builtin_convertvector(__builtin_convertvector(byte, NAME(ints)), vec);
#endif
  }
  return *(const NAME(vec_in) *)(row + 4 * j);
}

/* Fetch entries j to j + 2 LANES - 1 of a row that is needed later. */
INLINE void NAME(fetch)(int kind, const char *row, int64_t j) {
  int64_t size = entry_bytes(kind);
  const char *from = row + size * j;
  for (int64_t byte = 0; byte < 2 * LANES * size; byte += CACHE_LINE)
    __builtin_prefetch(from + byte, 0, 2);
}

INLINE float NAME(total)(vec values) {
  float lanes[LANES];
  memcpy(lanes, &values, BYTES);
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

/* out[r] = rows[r] . x for n rows; meanwhile the rows in `later` are fetched. */
INLINE void NAME(dot)(int kind, int n, const char *const *rows, const char *const *later,
                      int64_t width, const float *x, float *out) {
  vec even[ROWS], odd[ROWS];
  int64_t j = 0;
  for (int r = 0; r < n; r++) even[r] = odd[r] = (vec){0};
  for (; j + 2 * LANES <= width; j += 2 * LANES) {
    vec x_even = NAME(load)(FLOAT32, (const char *)x, j);
    vec x_odd = NAME(load)(FLOAT32, (const char *)x, j + LANES);
    for (int r = 0; r < n; r++) {
      even[r] += NAME(load)(kind, rows[r], j) * x_even;
      odd[r] += NAME(load)(kind, rows[r], j + LANES) * x_odd;
      NAME(fetch)(kind, later[r], j);
    }
  }
  for (int r = 0; r < n; r++) {
    float sum = NAME(total)(even[r] + odd[r]);
    for (int64_t tail = j; tail < width; tail++) sum += entry(kind, rows[r], tail) * x[tail];
    out[r] = sum;
  }
}

/* y += the sum over n rows of factor[r] * rows[r]; meanwhile the rows in `later` are fetched. */
INLINE void NAME(add)(int kind, int n, const char *const *rows, const char *const *later,
                      int64_t width, const float *factor, float *y) {
  int64_t j = 0;
  for (; j + 2 * LANES <= width; j += 2 * LANES) {
    vec even = NAME(load)(FLOAT32, (const char *)y, j);
    vec odd = NAME(load)(FLOAT32, (const char *)y, j + LANES);
    for (int r = 0; r < n; r++) {
      even += factor[r] * NAME(load)(kind, rows[r], j);
      odd += factor[r] * NAME(load)(kind, rows[r], j + LANES);
      NAME(fetch)(kind, later[r], j);
    }
    *(NAME(vec_in) *)(y + j) = even;
    *(NAME(vec_in) *)(y + j + LANES) = odd;
  }
  for (; j < width; j++)
    for (int r = 0; r < n; r++) y[j] += factor[r] * entry(kind, rows[r], j);
}

/* The addresses of the n active rows from `at` on; past the last one, the last one's. */
INLINE void NAME(find)(const Rows *m, int n, int64_t at, int64_t last, const char **rows) {
  for (int r = 0; r < n; r++) rows[r] = row_address(m, at + r < last ? at + r : last - 1);
}

/* n rows from `at` on of the whole computation; see the struct Job. */
INLINE void NAME(group)(int kind, int n, const Job *job, int64_t at) {
  const char *up[ROWS], *down[ROWS], *later[ROWS];
  float factor[ROWS];
  if (job->up.data) {
    NAME(find)(&job->up, n, at, job->last, up);
    /* Each row is fetched while the products before it are computed. */
    NAME(find)(job->down.data ? &job->down : &job->up, n, job->down.data ? at : at + n, job->last,
               later);
    NAME(dot)(kind, n, up, later, job->width, job->x, factor);
    for (int r = 0; r < n; r++) factor[r] *= row_scale(&job->up, at + r);
  } else {
    for (int r = 0; r < n; r++) factor[r] = 1;
  }
  if (!job->down.data) {
    for (int r = 0; r < n; r++) job->y[at + r] = factor[r];
    return;
  }
  for (int r = 0; r < n; r++)
    factor[r] *= job->gate[row_number(&job->down, at + r)] * row_scale(&job->down, at + r);
  NAME(find)(&job->down, n, at, job->last, down);
  NAME(find)(job->up.data ? &job->up : &job->down, n, at + n, job->last, later);
  NAME(add)(kind, n, down, later, job->width, factor, job->y);
}

INLINE void NAME(rows)(int kind, const Job *job) {
  int64_t at = job->first;
  for (; at + ROWS <= job->last; at += ROWS) NAME(group)(kind, ROWS, job, at);
  for (; at < job->last; at++) NAME(group)(kind, 1, job, at);
}

TARGET static void NAME(run)(const Job *job) {
  if (job->kind == BFLOAT16)
    NAME(rows)(BFLOAT16, job);
  else if (job->kind == INT8)
    NAME(rows)(INT8, job);
  else
    NAME(rows)(FLOAT32, job);
}

#undef vec
#undef INLINE
#undef BYTES
#undef NAME
#undef TARGET
#undef LANES
#undef WIDEN
#undef ROWS
