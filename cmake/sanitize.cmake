if(SPARSEMARK_SANITIZE)
  add_compile_options(-fsanitize=${SPARSEMARK_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SPARSEMARK_SANITIZE})
endif()
# Coverage of everything that a fuzz target calls, else libFuzzer is blind inside the library.
if(SPARSEMARK_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
