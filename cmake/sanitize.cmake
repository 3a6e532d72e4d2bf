if(SPARSEMARK_SANITIZE)
  add_compile_options(-fsanitize=${SPARSEMARK_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SPARSEMARK_SANITIZE})
  # Checks of every address make a kernel body, unrolled as it is, take a quarter of a minute to
  # compile. AddressSanitizer and the tests' pages without access see what they would see.
  set(SPARSEMARK_BODY_OPTIONS -fno-sanitize=pointer-overflow,alignment,null,object-size,bounds)
endif()
# Coverage of everything that a fuzz target calls, else libFuzzer is blind inside the library; kernels
# see no input.
if(SPARSEMARK_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  list(APPEND SPARSEMARK_BODY_OPTIONS -fno-sanitize=fuzzer-no-link)
endif()
