/* The instruction sets that kernels are compiled for; compiled_library.py has the same numbers. */

enum { PLAIN = 0, AVX2 = 1, AVX512 = 2 };

/* The best level that this processor has. */
int32_t deft_level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return AVX2;
#endif
  return PLAIN;
}
